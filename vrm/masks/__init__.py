"""Masks: every form a mask arrives in, made into one Masks per clip."""
