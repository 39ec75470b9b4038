"""Remove objects from videos; nothing but the object changes."""

__version__ = "0.1.0"
