"""Weights: cards, download, conversion."""
