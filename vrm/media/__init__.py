"""Media in and out: the only room that knows FFmpeg."""
