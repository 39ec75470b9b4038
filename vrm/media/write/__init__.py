"""Planning, encoding and muxing."""
