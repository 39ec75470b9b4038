"""One run: scratch, resume, checks, context."""
