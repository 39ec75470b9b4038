"""Results, masks and labels scored against the truth."""
