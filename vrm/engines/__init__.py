"""Engines: what fills the hole. ``base`` is the contract, ``registry`` the list."""
