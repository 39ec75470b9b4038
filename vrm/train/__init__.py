"""Fitting a network to one video, and training one on many: data, initialisation, the loop."""
