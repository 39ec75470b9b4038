"""Checkpoints of other code bases, and how each becomes weights of this one."""
