"""What moves by itself around a hole, as a layer of its own: where it is, and where its hidden part is seen."""
