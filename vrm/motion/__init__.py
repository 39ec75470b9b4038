"""Motion: where else in the video a hidden background is seen."""
