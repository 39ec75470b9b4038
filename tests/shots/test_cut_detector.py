"""Our detector of cuts against the one it is, PySceneDetect's."""

from fractions import Fraction

import numpy as np
import pytest
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from vrm.shots.cuts import CutDetector


def pictures(seed: int) -> list[np.ndarray]:
    """A hundred pictures of scenes that last 1 to 20 frames each, some alike, some in motion or in noise."""
    random = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    while len(found) < 100:
        scene = random.normal(random.uniform(40, 200, 3), random.uniform(2, 30), (36, 64, 3))
        speed, noise = random.integers(0, 4), random.uniform(0, 12)
        for t in range(random.integers(1, 21)):
            moved = np.roll(scene, speed * t, 1) + random.normal(0, noise, scene.shape)
            found.append(np.clip(moved, 0, 255).astype(np.uint8))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_cuts_are_pyscenedetects(seed):
    ours, theirs = CutDetector(), AdaptiveDetector(min_scene_len=8, min_content_val=12)
    expected = []
    for number, picture in enumerate(pictures(seed), 5):
        ours.add(number, picture)
        expected += [cut.frame_num for cut in theirs.process_frame(FrameTimecode(number, Fraction(25)), picture)]
    assert ours.found == expected
    assert expected
