"""How good a filled video is: pure functions over frames, and meters that add them up while frames stream by."""
