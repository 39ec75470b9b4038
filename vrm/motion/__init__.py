"""Video completion from the video itself: where each pixel of a hole is seen in other frames. See docs/motion.md.

The rooms build on one another: flow, fusion, trajectories, candidates, then refinement and synthesis; ``propagation``
is the whole of it on one page. Nothing in here needs a network.
"""
