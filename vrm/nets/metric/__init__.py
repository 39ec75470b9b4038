"""Networks that metrics compare features of."""
