from itertools import pairwise

import numpy as np
import pytest

from vrm.engines.tiling import OVERLAP, in_tiles, tile_boxes


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (3, 5, 103, 705), (0, 0, 401, 1023)])
def test_tiles_cover_the_box_and_overlap(box):
    tiles = tile_boxes(box, 200)
    seen = np.zeros((box[2], box[3]), int)
    for y0, x0, y1, x1 in tiles:
        assert max(y1 - y0, x1 - x0) <= 200
        assert y0 >= box[0]
        assert x1 <= box[3]
        seen[y0:y1, x0:x1] += 1
    assert (seen[box[0] :, box[1] :] >= 1).all()
    starts = sorted({t[1] for t in tiles})
    assert all(b - a <= 200 - OVERLAP for a, b in pairwise(starts))


def test_equal_pictures_join_without_a_trace():
    picture = np.random.default_rng(0).random((300, 500, 3)).astype(np.float32)
    box = (20, 30, 290, 480)
    out = in_tiles(box, 150, lambda b: picture[b[0] : b[2], b[1] : b[3]])
    assert np.allclose(out, picture[20:290, 30:480], atol=1e-5)


def test_tiles_must_be_wider_than_their_overlap():
    with pytest.raises(ValueError, match="overlap"):
        tile_boxes((0, 0, 10, 10), OVERLAP)
