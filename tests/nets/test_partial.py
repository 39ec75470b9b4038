"""What is computed on parts of frames is what the whole network gives there."""

import pytest
import torch

from vrm.nets.e2fgvi.flow_guided import reduced
from vrm.nets.fuseformer.blocks import PatchDecoder
from vrm.nets.fuseformer.tokens import Grid
from vrm.nets.savit.model import Savit, SavitConfig
from vrm.nets.savit.partial import cells_for, last_block, render

SIZE = (96, 144)
BOXES = [
    (0, 0, 96, 144),
    (40, 50, 41, 51),
    (0, 0, 10, 12),
    (80, 130, 96, 144),
    (30, 0, 60, 20),
    (12, 16, 50, 90),
    (95, 143, 96, 144),
]


def network(semantic_blocks, backbone="fuseformer"):
    torch.manual_seed(0)
    config = SavitConfig(
        32, 98, 2, 3, 8, (24, 36), 8 if semantic_blocks else 0, semantic_blocks, classify=False, backbone=backbone
    )
    net = Savit(config).eval()
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(3) if p.dim() > 1 else p.normal_(0, 0.1)
    return net


PLACES = [("fuseformer", blocks, pixels) for blocks in ((), (0,), (2,)) for pixels in BOXES]
PLACES += [("e2fgvi", (2,), pixels) for pixels in (BOXES[1], BOXES[3], BOXES[5])]


@pytest.mark.parametrize(("backbone", "semantic_blocks", "pixels"), PLACES)
def test_a_part_is_what_the_whole_gives_there(backbone, semantic_blocks, pixels):
    net = network(semantic_blocks, backbone)
    frames = torch.rand(1, 3, 3, *SIZE) * 2 - 1
    labels = torch.randint(0, 8, (1, 3, *SIZE)) if semantic_blocks else None
    grid = Grid(SIZE[0] // 4, SIZE[1] // 4)
    with torch.no_grad():
        out = net(frames, labels)
        features = net.encode(frames[0], None if labels is None else net.classes(labels, frames))
        if net.guide is not None:
            features = net.guide(features[None], reduced(frames[0])[None])[0]
        tokens = net.tokens(features, grid).flatten(0, 1)[None]
        histogram = None if out.histogram is None else out.histogram.flatten(1, 2)
        tokens, _, _ = net.transform(tokens, grid, histogram, blocks=2)
        cells = cells_for(pixels, grid)
        box = grid.cover(cells)
        found = last_block(net.blocks[2], tokens, grid, histogram, [(0, box), (2, box)])
        for t, part in zip((0, 2), found, strict=True):
            made = render(net, part, features[t : t + 1], grid, box, cells, pixels)
            expected = out.frames[0, t : t + 1, :, pixels[0] : pixels[2], pixels[1] : pixels[3]]
            assert expected.numel() < 100 or expected.std() > 0.01
            assert torch.allclose(made, expected, atol=1e-5), (made - expected).abs().max()


def test_the_decoder_looks_no_further_than_the_cells_that_it_is_given():
    decoder, grid = PatchDecoder(4).double(), Grid(11, 30)
    features = torch.rand(1, 8, 11, 30, dtype=torch.float64, requires_grad=True)
    made = decoder(features)
    for y, x in [(0, 0), (1, 7), (18, 50), (23, 119), (43, 119), (40, 116), (20, 63)]:
        (change,) = torch.autograd.grad(made[0, :, y, x].sum(), features, retain_graph=True)
        y0, x0, y1, x1 = cells_for((y, x, y + 1, x + 1), grid)
        change[..., y0:y1, x0:x1] = 0
        assert not change.any()
