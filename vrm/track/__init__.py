"""One annotated frame becomes a mask on every frame."""
