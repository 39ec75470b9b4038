"""Candidates for a hole's pixels, their expected errors, and how they become one picture."""
