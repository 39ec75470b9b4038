"""Engines and baselines run over cases."""
