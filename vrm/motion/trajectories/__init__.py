"""Hole pixels followed through time to where they are seen."""
