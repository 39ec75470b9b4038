"""Many videos: find them, plan every one before the first is begun, run them side by side, say what became of each."""
