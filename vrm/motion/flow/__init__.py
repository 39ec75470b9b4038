"""Optical flow, camera motion, completion in holes, warping."""
