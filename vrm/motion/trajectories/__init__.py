"""Hole pixels followed through time to the frames that show them."""
