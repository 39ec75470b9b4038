"""Text on the picture: found, told from text of the scene, its strokes masked, and what it says written down."""
