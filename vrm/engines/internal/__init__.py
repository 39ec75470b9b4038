"""Per-video internal fitting (Ouyang et al. 2021)."""
