"""Small random weights of SAVIT, written once."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import torch

from vrm.nets.savit.model import Savit, SavitConfig
from vrm.weights.cards import write

LABELLED = SavitConfig(16, 49, 2, 3, 4, (12, 18), 8, (1,))
GUIDED = SavitConfig(16, 49, 2, 3, 4, (12, 18), 0, (), classify=False, backbone="e2fgvi")
PLAIN = SavitConfig(16, 49, 2, 3, 4, (12, 18), 0, (), classify=False)


@functools.cache
def small_savit(config=PLAIN, scale=3):
    """A file of them; at a scale of 3 labels change the result by less than a level of 8 bits, at 8 plainly."""
    torch.manual_seed(0)
    net = Savit(config)
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(scale) if p.dim() > 1 else p.normal_(0, 0.1)
    folder = Path(tempfile.mkdtemp(prefix="vrm-savit-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write(net.state_dict(), folder, name="small", licence="CC0-1.0", network="savit", settings=config.settings())
    return str(folder / "small.safetensors")
