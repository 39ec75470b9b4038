"""What was never seen, synthesised."""
