"""Texture for what no frame shows."""
