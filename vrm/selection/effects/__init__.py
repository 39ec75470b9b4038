"""What a thing leaves on its surroundings: its shadow, its reflection. Found from the video, to go with it."""
