"""Optical flow, its completion in holes, camera motion, warping."""
