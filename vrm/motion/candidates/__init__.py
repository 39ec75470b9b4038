"""Candidates beyond trajectories, all of them sampled in colour, and the calibration of their expected errors."""
