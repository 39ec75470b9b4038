"""Label maps: models, voting over time, taxonomy."""
