"""Shots: stretches of video without a cut; finding them, keeping their frames, viewing them."""
