"""Results scored against the truth."""
