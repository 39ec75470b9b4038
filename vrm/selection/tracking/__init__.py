"""A mask followed through a shot."""
