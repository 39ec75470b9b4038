"""The SAVIT network."""
