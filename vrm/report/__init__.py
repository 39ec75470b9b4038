"""What was done, as a page or as JSON."""
