"""Engines: how a hole is filled."""
