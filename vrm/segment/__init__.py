"""What is where in a video: label maps, the eight super-categories, and pointing at a thing."""
