"""Candidates fused into one fill, joined to its surroundings."""
