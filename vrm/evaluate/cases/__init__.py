"""Test cases with known truth."""
