"""What is done to finished fills: detail, stability over time, blending with keyframes."""
