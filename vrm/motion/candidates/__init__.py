"""Candidates for each hole pixel, and what error to expect of them."""
