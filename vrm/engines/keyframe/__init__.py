"""Two-stream keyframe propagation (Esser et al. 2022)."""
