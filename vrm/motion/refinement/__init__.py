"""What is done to a finished fill: detail, stability over time, keyframes."""
