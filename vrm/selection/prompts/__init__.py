"""Clicks and boxes made into masks."""
