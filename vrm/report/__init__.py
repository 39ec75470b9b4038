"""The report of a finished run as an HTML page, JSON or text."""
