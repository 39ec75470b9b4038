"""The Python API: remove the crab from the example clip and look at what was done."""

import vrm

report = vrm.remove("examples/crab.mp4", "clean.mp4", mask="examples/crab.png")
print(f"{report.masked_frames} of {report.frames} frames changed, {report.coverage:.0%} of the hole was seen elsewhere")
