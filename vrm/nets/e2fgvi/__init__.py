"""Modules of E2FGVI."""
