"""``vrm pick``: a local page on which one says what goes by clicking; all that it does is a command of vrm."""
