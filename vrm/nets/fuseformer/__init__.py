"""Modules of FuseFormer."""
