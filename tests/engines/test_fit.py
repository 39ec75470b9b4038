import numpy as np
import pytest

from vrm.engines.internal import fit as fit_module
from vrm.engines.internal.fit import FittedRegion, InternalSession, fit_shot, fitted_region
from vrm.events import no_progress
from vrm.options.remove import EngineOptions
from vrm.system.device import choose

from .shots import SmallShot, box_holes

CPU = choose(EngineOptions(device="cpu", dtype="fp32", threads=1))


@pytest.mark.parametrize(
    ("native", "longest"),
    [
        (100, [100]),
        (320, [320]),
        (400, [320, 400]),
        (860, [320, 640, 860]),
        (1900, [320, 640, 1280, 1900]),
        (3840, [320, 640, 1280, 2560, 3840]),
    ],
)
def test_sizes_double_up_to_the_fields_own(native, longest):
    sizes = FittedRegion((0, 0, native // 2, native)).sizes()
    assert [w for _, w in sizes] == longest
    assert sizes[-1] == (native // 2, native)


def test_a_large_field_gets_a_finer_network_that_is_given_the_coarser_result(monkeypatch):
    monkeypatch.setattr(fit_module, "COARSE_SIDE", 80)
    shot = SmallShot(box_holes(4, 120, 200, (40, 60, 80, 120)))
    session = fit_shot(shot, CPU, steps=3, width=8, seed=0, progress=no_progress)
    assert [network.net.coarse.encoder[0].conv.in_channels for network in session.networks] == [4, 7]
    assert session.networks[-1].size == session.region.native
    patches = session.fill(shot.windows()[0])
    assert sorted(patches) == [100, 101, 102, 103]
    for t, patch in patches.items():
        y0, x0, y1, x1 = patch.box
        known = ~shot.hole(t)[y0:y1, x0:x1]
        np.testing.assert_array_equal(patch.rgb[known], shot.frame(t)[y0:y1, x0:x1][known])


def test_the_fine_fit_takes_fewer_frames_where_they_are_large(monkeypatch):
    monkeypatch.setattr(fit_module, "COARSE_SIDE", 80)
    monkeypatch.setattr(fit_module, "REGION_BYTES", 1)
    seen = []
    real = InternalSession.training_region
    monkeypatch.setattr(
        InternalSession, "training_region", lambda s, times, size: seen.append(times) or real(s, times, size)
    )
    shot = SmallShot(box_holes(9, 120, 200, (40, 60, 80, 120)))
    fit_shot(shot, CPU, steps=1, width=8, seed=0, progress=no_progress)
    assert [len(times) for times in seen] == [9, 4]


def test_a_shot_without_holes_is_not_fitted():
    shot = SmallShot(np.zeros((3, 64, 96), bool))
    assert fitted_region(shot) is None
    assert fit_shot(shot, CPU, 3, 8, 0, no_progress).networks == []
