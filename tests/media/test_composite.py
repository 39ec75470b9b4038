import numpy as np
import pytest

from vrm.media.frame.composite import changed_outside, paste, support
from vrm.media.frame.frame import Frame

FORMATS = [
    "yuv420p", "yuvj420p", "yuv420p10le", "yuv422p", "yuv422p10le", "yuv444p", "yuv444p12le", "yuv440p", "yuv411p",
    "gray", "gray10le", "gbrp", "gbrp10le", "gbrp16le", "yuva420p", "yuv420p16le",
]  # fmt: skip
KR_KB = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def naive_paste(frame: Frame, rgb: np.ndarray, alpha: np.ndarray, box) -> list[np.ndarray]:
    """Sample by sample, in double precision, straight from the definition."""
    layout, out = frame.layout, [p.copy() for p in frame.planes]
    height, width = frame.size
    top = 2**layout.depth - 1
    unit = 2 ** (layout.depth - 8)
    full = bool(frame.colour.full_range)
    whole_alpha = np.zeros((height, width))
    whole_alpha[box[0] : box[2], box[1] : box[3]] = alpha
    value = np.zeros((height, width, 3))
    value[box[0] : box[2], box[1] : box[3]] = rgb / np.iinfo(rgb.dtype).max

    def code(y, x, plane):
        r, g, b = value[y, x]
        if layout.family == "rgb":
            return (g, b, r)[plane] * top
        kr, kb = KR_KB[frame.colour.matrix]
        luma = kr * r + (1 - kr - kb) * g + kb * b
        if plane == 0:
            return luma * top if full else 16 * unit + 219 * unit * luma
        colour = (b - luma) / (2 * (1 - kb)) if plane == 1 else (r - luma) / (2 * (1 - kr))
        return colour * (top if full else 224 * unit) + 128 * unit

    colours = 1 if layout.family == "gray" else 3
    for k in range(colours):
        fy, fx = (1 << layout.sub_y, 1 << layout.sub_x) if layout.is_chroma(k) else (1, 1)
        for cy, cx in np.ndindex(out[k].shape):
            foot = [
                (y, x)
                for y in range(cy * fy, min(height, cy * fy + fy))
                for x in range(cx * fx, min(width, cx * fx + fx))
                if whole_alpha[y, x] > 0
            ]
            if not foot:
                continue
            weights = [whole_alpha[p] for p in foot]
            new = sum(w * code(*p, k) for w, p in zip(weights, foot, strict=True)) / sum(weights)
            a = max(weights)
            out[k][cy, cx] = min(top, max(0, round(a * new + (1 - a) * out[k][cy, cx])))
    return out


def blob(h: int, w: int, seed: int = 0) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    distance = np.hypot((y - h / 2) / h, (x - w / 2) / w)
    alpha = np.clip((0.5 - distance) * 6, 0, 1)
    alpha[np.random.default_rng(seed).random((h, w)) < 0.1] = 0
    return alpha.astype(np.float32)


@pytest.mark.parametrize("pix_fmt", FORMATS)
@pytest.mark.parametrize("box", [(4, 6, 20, 30), (5, 7, 37, 51), (0, 0, 3, 1)])
def test_paste_agrees_with_the_definition(make_frame, pix_fmt, box):
    frame = make_frame(pix_fmt, seed=1)
    rng = np.random.default_rng(2)
    deep = frame.layout.depth > 8
    shape = (box[2] - box[0], box[3] - box[1])
    rgb = rng.integers(0, 65536 if deep else 256, (*shape, 3)).astype(np.uint16 if deep else np.uint8)
    alpha = blob(*shape) if shape[0] > 3 else np.ones(shape, np.float32)
    before = [p.copy() for p in frame.planes]
    after = paste(frame, rgb, alpha, box)
    colours = 1 if frame.layout.family == "gray" else 3
    for k, want in enumerate(naive_paste(frame, rgb, alpha, box)[:colours]):
        error = np.abs(after.planes[k].astype(int) - want.astype(int))
        assert error.max() <= 1, k  # float32 against float64 at a rounding edge
        assert (error > 0).mean() < 0.02, k
    assert all((a == b).all() for a, b in zip(before, frame.planes, strict=True)), "the source frame was written to"


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_nothing_outside_the_support_changes(make_frame, pix_fmt):
    frame, box = make_frame(pix_fmt, seed=3), (3, 5, 30, 41)
    alpha = blob(27, 36)
    rgb = np.full((27, 36, 3), 255, np.uint8)
    after = paste(frame, rgb, alpha, box)
    touched = support(alpha, box, frame.layout, frame.size)
    for old, new, may in zip(frame.planes, after.planes, touched, strict=True):
        assert not ((old != new) & ~may).any()
        assert may.shape == old.shape
    assert (frame.planes[0] != after.planes[0]).any()
    assert changed_outside(frame, after, alpha, box) == 0


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "gbrp", "gray"])
def test_changed_outside_counts_every_plane(make_frame, pix_fmt):
    frame, box = make_frame(pix_fmt), (8, 8, 21, 23)
    alpha = np.ones((13, 15), np.float32)
    after = paste(frame, np.zeros((13, 15, 3), np.uint8), alpha, box)
    planes = [p.copy() for p in after.planes]
    for plane in planes:
        plane[0, 0] ^= 1
        plane[-1, -1] ^= 1
    assert changed_outside(frame, after.with_planes(tuple(planes)), alpha, box) == 2 * len(planes)
    assert changed_outside(frame, frame, alpha, box) == 0


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pix_fmt", [f for f in FORMATS if not f.startswith("gbr")])
def test_pasting_what_was_read_gives_the_same_samples(make_frame, pix_fmt, full, matrix):
    frame = make_frame(pix_fmt, matrix=matrix, full=full)
    middle = 2 ** (frame.layout.depth - 1)  # colours outside RGB's gamut cannot come back: stay inside
    mild = tuple((middle + (p.astype(int) - middle) // 3).astype(p.dtype) for p in frame.planes)
    frame = frame.with_planes(mild)
    height, width = frame.size
    after = paste(frame, frame.rgb(), np.ones((height, width), np.float32), (0, 0, height, width))
    for old, new in zip(frame.planes, after.planes, strict=True):
        assert np.abs(old.astype(int) - new.astype(int)).max() <= (2 if frame.layout.depth == 8 else 1)


@pytest.mark.parametrize("pix_fmt", ["gbrp", "gbrp10le", "gbrp16le"])
def test_rgb_round_trips_exactly(make_frame, pix_fmt):
    frame = make_frame(pix_fmt, seed=5)
    height, width = frame.size
    after = paste(frame, frame.rgb(), np.ones((height, width), np.float32), (0, 0, height, width))
    assert all((a == b).all() for a, b in zip(frame.planes, after.planes, strict=True))


def test_no_removed_colour_shines_through_at_chroma_resolution(make_frame):
    # One masked luma pixel of a footprint is enough to take the red out of its chroma sample.
    frame = make_frame("yuv420p", (16, 16))
    red = tuple(np.full_like(p, v) for p, v in zip(frame.planes, (63, 102, 240), strict=True))
    frame = frame.with_planes(red)
    alpha = np.ones((5, 5), np.float32)
    after = paste(frame, np.full((5, 5, 3), 128, np.uint8), alpha, (3, 3, 8, 8))
    assert (after.planes[1][1:4, 1:4] == 128).all()
    assert (after.planes[2][1:4, 1:4] == 128).all()
    assert after.planes[2][0, 0] == 240
    assert after.planes[2][4, 4] == 240


def test_opacity_is_interpolated_from_around_the_hole(make_frame):
    frame = make_frame("yuva420p", (40, 40))
    planes = list(frame.planes)
    opacity = np.zeros((40, 40), np.uint8)
    opacity[15:25, 15:25] = 255  # a sprite over nothing: removing it leaves nothing
    planes[3] = opacity
    frame = frame.with_planes(tuple(planes))
    after = paste(frame, np.zeros((14, 14, 3), np.uint8), np.ones((14, 14), np.float32), (13, 13, 27, 27))
    assert (after.planes[3] == 0).all()
    planes[3] = np.full((40, 40), 255, np.uint8)  # an opaque picture stays opaque
    opaque = frame.with_planes(tuple(planes))
    after = paste(opaque, np.zeros((14, 14, 3), np.uint8), np.ones((14, 14), np.float32), (13, 13, 27, 27))
    assert (after.planes[3] == 255).all()


def test_an_empty_alpha_returns_the_frame_itself(make_frame):
    frame = make_frame("yuv420p")
    assert paste(frame, np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32), (0, 0, 4, 4)) is frame


@pytest.mark.parametrize("box", [(0, 0, 38, 51), (-1, 0, 5, 5), (4, 4, 4, 8)])
def test_a_box_outside_the_frame_is_refused(make_frame, box):
    shape = (box[2] - box[0], box[3] - box[1])
    with pytest.raises(ValueError, match="box"):
        paste(make_frame("yuv420p"), np.zeros((*shape, 3), np.uint8), np.ones(shape, np.float32), box)
