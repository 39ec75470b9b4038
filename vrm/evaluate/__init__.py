"""Measuring: protocols, cases, scores, and runs of engines over cases; tables and a page of what came out."""
