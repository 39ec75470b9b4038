"""What all trainers share: networks by name, an Adam optimiser for each, and their state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vrm.system.device import Compute
from vrm.train.distributed import Processes


class TrainedNetworks:
    """Networks and their optimisers; the base of a trainer (``vrm.train.loop.Trainer``).

    Args:
        nets: on their device; their weights are made the same in all processes.
        compute: where they are; fp16, which fits may be computed in, has its losses scaled.
        rate: the first learning rate of all; see ``set_rates``.
        betas: Adam's.
        clip: most norm of all gradients of a network; None = they are taken as they are.
        processes: gradients are averaged among them.
    """

    def __init__(
        self, nets: Mapping[str, nn.Module], compute: Compute, rate: float, betas: tuple[float, float] = (0.9, 0.999),
        clip: float | None = None, processes: Processes | None = None,
    ) -> None:  # fmt: skip
        self.nets, self.compute, self.clip, self.processes = dict(nets), compute, clip, processes or Processes()
        for net in self.nets.values():
            self.processes.share(net)
        self.optimisers = {name: torch.optim.Adam(net.parameters(), rate, betas) for name, net in self.nets.items()}
        self.scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.dtype == torch.float16)
        self.done = 0

    def set_rates(self, rates: Mapping[str, float]) -> None:
        for name, rate in rates.items():
            for group in self.optimisers[name].param_groups:
                group["lr"] = rate

    def learn(self, name: str, loss: Tensor) -> None:
        """One optimiser step of a network down the gradient of a loss."""
        net, optimiser = self.nets[name], self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.processes.average(net)
        if self.clip is not None:
            self.scaler.unscale_(optimiser)
            nn.utils.clip_grad_norm_(net.parameters(), self.clip)
        self.scaler.step(optimiser)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return {
            "done": self.done,
            "nets": {name: net.state_dict() for name, net in self.nets.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises RuntimeError or KeyError for a state of other networks."""
        for name, net in self.nets.items():
            net.load_state_dict(state["nets"][name])
            self.optimisers[name].load_state_dict(state["optimisers"][name])
        self.scaler.load_state_dict(state["scaler"])
        self.done = int(state["done"])
