"""SAVIT: semantic-aware video inpainting transformer."""
