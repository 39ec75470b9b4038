"""How networks begin: with normal weights, or initialised on data (LSUV).

LSUV (Mishkin and Matas 2016, "All you need is a good init"): the usual initialisation lets the signal die in a stack of
gated layers, as each multiplies by a sigmoid near one half and by an ELU. Here every layer's output is brought to unit
variance on one batch, layer by layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def normal_weights(module: nn.Module) -> None:
    """Weights of a linear layer or convolution from N(0, 0.02), no bias; for ``nn.Module.apply``."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def unit_variance(net: nn.Module, *batch: Tensor, tolerance: float = 0.02, steps: int = 12) -> None:
    """Initialise ``net`` in place so that each rescalable layer's output has unit variance on ``batch``.

    Convolutions get orthonormal weights and no bias; then, in the order of one forward pass, each module with a
    ``rescale(factor)`` method is scaled, at most ``steps`` times, until its output's standard deviation is within
    ``tolerance`` of 1, or of its attribute ``deviation``. Modules without that method that set ``keeps_start`` (a head
    that starts at zero on purpose) are left as they are. Random numbers come from torch's global generator (seed it
    before); ``batch`` has real content.
    """
    kept = {c for m in net.modules() if getattr(m, "keeps_start", False) for c in m.modules()}
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module not in kept:
            module.weight.copy_(nn.init.orthogonal_(torch.empty(module.weight.shape)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def correct(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        for _ in range(steps):
            deviation = float(output.float().std()) / getattr(module, "deviation", 1.0)
            if abs(deviation - 1) <= tolerance or deviation < 1e-8:
                break
            module.rescale(1 / deviation)
            output = module.forward(*inputs)
        return output

    hooks = [m.register_forward_hook(correct) for m in net.modules() if hasattr(m, "rescale")]
    was_training = net.training
    net.eval()
    try:
        net(*batch)
    finally:
        for hook in hooks:
            hook.remove()
        net.train(was_training)
