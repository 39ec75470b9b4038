"""Warm start of SAVIT from weights of its backbone."""

from __future__ import annotations

import torch
from torch import Tensor

from vrm.errors import WeightsError
from vrm.nets.savit.model import Savit
from vrm.weights.cards import find, load

_SUM = 5.0
"""About what a token's mixture weights sum to at the start: eight sigmoids near one half, and one."""

_NOISE = 0.02
"""Deviation of what is added to each expert, as a share of the weights' own, so that experts can differ."""


@torch.no_grad()
def warm_start(net: Savit, name: str) -> str:
    """Load weights into a network, freshly made, in place; each expert starts as a share of the layer it replaces.

    Weights of the same network are loaded as they are. Those of one without labels or experts fill what they have:
    new input channels start at zero, each expert at a fifth of the layer it replaces with a little noise (the mixture
    weights sum to about five), router and classifier as initialised. ``name`` is theirs or their file.

    Returns what was done, in words. Raises WeightsError: there are none of that name, or their shapes differ otherwise.
    """
    found = find(name, "savit")
    if found is None:
        raise WeightsError("There are no weights to start from.", "See vrm weights list.")
    card, folder = found
    given = {k: v.float() for k, v in load(card, folder).items()}
    own = net.state_dict()
    new = []
    for key, tensor in own.items():
        fitted = _fit(given.get(key), tensor)
        if fitted is None and key in given:
            raise WeightsError(
                f"'{card.name}' does not fit: {key} is {tuple(given[key].shape)} there and {tuple(tensor.shape)} here."
            )
        if fitted is None:
            new.append(key)
        else:
            tensor.copy_(fitted)
    net.load_state_dict(own)
    return f"Started from '{card.name}'" + (f"; new: {', '.join(new)}." if new else ".")


def _fit(given: Tensor | None, wanted: Tensor) -> Tensor | None:
    """A tensor in the shape that is wanted, or None if it cannot be brought to it."""
    if given is None:
        return None
    if given.shape == wanted.shape:
        return given
    if given.dim() == 4 and given.shape[0] == wanted.shape[0] and given.shape[1] < wanted.shape[1]:
        padded = torch.zeros_like(wanted)
        padded[:, : given.shape[1]] = given
        return padded if given.shape[2:] == wanted.shape[2:] else None
    if given.shape == wanted.shape[1:]:
        shared = given[None] / _SUM
        deviation = _NOISE * float(shared.std()) if given.dim() > 1 else 0.0
        return shared + deviation * torch.randn(wanted.shape)
    return None
