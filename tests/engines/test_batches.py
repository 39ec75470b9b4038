import numpy as np
import pytest
import torch

from vrm.engines.internal import batches as batches_module
from vrm.engines.internal.batches import TrainingRegion, draw_batch, network_input, total_loss
from vrm.nets.internal.features import GaborFeatures
from vrm.nets.internal.gated import CoarseToFineNetwork
from vrm.nets.internal.losses import reconstruction
from vrm.options.remove import EngineOptions
from vrm.system.device import choose

CPU = choose(EngineOptions(device="cpu", dtype="fp32", threads=1))


def field(size=(150, 170), count=3, coarser=False):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (count, *size, 3), dtype=np.uint8)
    holes = np.zeros((count, *size), bool)
    holes[:, 40:80, 50:100] = True
    return TrainingRegion(frames, holes, frames // 2 if coarser else None)


@pytest.mark.parametrize("fine", [False, True])
def test_the_network_never_sees_what_is_hidden(fine):
    one = field(coarser=fine)
    rng = np.random.default_rng(1)
    for _ in range(5):
        batch = draw_batch(one, one.grid_masks() if fine else [], rng, CPU)
        x = batch.x
        assert x.shape == (batches_module.BATCH, 7 if fine else 4, batches_module.PATCH, batches_module.PATCH)
        hidden = batch.hidden.bool().expand(-1, 3, -1, -1)
        assert (x[:, :3][hidden] == 0).all()
        assert torch.equal(x[:, :3][~hidden], batch.frame[~hidden])
        assert (batch.hole <= batch.hidden).all()
        extra = (batch.hidden - batch.hole).flatten(1).sum(1)
        assert extra.max() > 0


def test_pieces_of_masks_leave_out_what_is_next_to_nothing():
    holes = np.zeros((1, 256, 256), bool)
    holes[0, 10:60, 10:60] = True  # first cell
    holes[0, 130:133, 130:133] = True  # 9 of 16384 pixels: under a thousandth of the paper's cell
    holes[0, 128:, :128] = True  # a whole cell: nothing around it would be known
    one = TrainingRegion(np.zeros((1, 256, 256, 3), np.uint8), holes)
    pieces = one.grid_masks()
    assert len(pieces) == 1
    assert pieces[0].sum() == 2500


def test_the_first_stage_is_eq_2_of_both_outputs():
    torch.manual_seed(0)
    net = CoarseToFineNetwork(8)
    batch = draw_batch(field(), [], np.random.default_rng(2), CPU)
    fine, coarse = net(batch.x)
    wanted = reconstruction(fine, batch.frame, batch.hole) + reconstruction(coarse, batch.frame, batch.hole)
    got = total_loss(net, batch, CPU, None, np.random.default_rng(0))
    torch.testing.assert_close(got, wanted)


def test_the_second_stage_adds_both_terms_and_their_gradients_are_finite():
    torch.manual_seed(0)
    net = CoarseToFineNetwork(8, 7)
    one = field(coarser=True)
    batch = draw_batch(one, one.grid_masks(), np.random.default_rng(3), CPU)
    first = total_loss(net, batch, CPU, None, np.random.default_rng(0))
    whole = total_loss(net, batch, CPU, GaborFeatures(), np.random.default_rng(0))
    assert whole > first
    whole.backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_the_input_is_colour_mask_and_coarser_result():
    frame, hidden, coarser = torch.ones(1, 3, 4, 4), torch.zeros(1, 1, 4, 4), torch.full((1, 3, 4, 4), 0.5)
    hidden[..., 0] = 1
    x = network_input(frame, hidden, coarser)
    assert x[0, :, 0, 0].tolist() == [0, 0, 0, 1, 0.5, 0.5, 0.5]
    assert x[0, :, 0, 1].tolist() == [1, 1, 1, 0, 0.5, 0.5, 0.5]
