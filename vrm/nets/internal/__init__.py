"""Networks and losses of the internal engine."""
