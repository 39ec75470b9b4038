"""The candidates of one frame at full size and in colour, each sampled once from its source frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vrm.motion.frames import HolePixels, WorkingFrames, box_around, length_scale, unit
from vrm.motion.fusion.candidate import Candidate, Correspondences
from vrm.motion.fusion.expected_error import (
    ErrorCalibration,
    correspondence_prior,
    set_expected_errors,
    single_frame_prior,
)
from vrm.motion.fusion.gradient_domain import MARGIN, own_differences, sample_frames
from vrm.motion.fusion.single_frame import inpaint_frame
from vrm.types import Array, Bool


@dataclass
class FrameCandidates:
    """All candidates for the hole of one frame, full size.

    Attributes:
        part: float32 ``(h, w, 3)``: the part of the frame worked on, its hole inpainted.
        inside: bool ``(h, w)``: the hole there, N pixels.
        candidates: single-frame inpainting last.
        source: int32 ``(K, N)``: the source frames of the others, -1 where there is none.
        place: int32 ``(K, N)``: flat index of the pixel there.
    """

    part: Array
    inside: Bool
    candidates: list[Candidate]
    source: np.ndarray
    place: np.ndarray


def sample_candidates(
    frames: WorkingFrames,
    t: int,
    pixels: HolePixels,
    seen: Mapping[str, Correspondences],
    calibration: ErrorCalibration,
) -> FrameCandidates:
    """Sample what is seen of frame t elsewhere, add single-frame inpainting, and set the expected errors.

    ``pixels`` are all or some of its hole's, at least one; ``seen`` holds by name where these are seen, at least one.
    """
    shot = frames.shot
    hole, asked = shot.hole(t), np.zeros(shot.size, np.bool_)
    asked.reshape(-1)[pixels.index] = True
    y0, x0, y1, x1 = box_around(hole, round(MARGIN / frames.scale))
    missing = np.ascontiguousarray(hole[y0:y1, x0:x1])
    inside = np.ascontiguousarray(asked[y0:y1, x0:x1])
    part = inpaint_frame(unit(shot.frame(t)[y0:y1, x0:x1]), missing)
    candidates, places = [], []
    for one in seen.values():
        xy = pixels.full_size(one.xy)
        colour, differences = sample_frames(
            lambda s, b: unit(shot.frame(s)[b[0] : b[2], b[1] : b[3]]), shot.size, one.source, xy, 3
        )
        candidates.append(Candidate(one.kind, colour, differences, one.source >= 0, correspondence_prior(one, t)))
        near = np.rint(xy).astype(np.int32)
        places.append(near[:, 1] * shot.size[1] + near[:, 0])
    scale = length_scale(shot.size)
    prior = single_frame_prior(part, missing, scale)[inside[missing]]
    everywhere = np.ones(len(pixels.index), np.bool_)
    candidates.append(Candidate("single-frame", part[inside], own_differences(part, inside), everywhere, prior))
    set_expected_errors(candidates, inside, scale, calibration)
    source = np.stack([one.source.astype(np.int32) for one in seen.values()])
    return FrameCandidates(part, inside, candidates, source, np.stack(places))
