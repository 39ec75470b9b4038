"""Masks given by the user: read, fitted, shaped."""
