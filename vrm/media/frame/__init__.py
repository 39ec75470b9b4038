"""A frame: planes, colours, compositing."""
