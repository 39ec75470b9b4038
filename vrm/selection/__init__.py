"""Which pixels go."""
