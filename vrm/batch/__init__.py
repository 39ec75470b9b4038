"""Many videos: find, plan, run, summarise."""
