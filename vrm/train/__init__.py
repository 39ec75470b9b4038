"""Loops that fit networks: to one video, or to many."""
