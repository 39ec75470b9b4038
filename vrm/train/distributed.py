"""Distributed training: processes that ``torchrun`` starts, each on its own device, train one network."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn


@dataclass(frozen=True)
class Processes:
    """This process among those that train one network."""

    rank: int = 0  # its number; the first writes logs and weights
    count: int = 1  # how many there are
    local: int = 0  # its number on this machine, which is that of its GPU

    @classmethod
    def joined(cls) -> Processes:
        """Join the processes that ``torchrun`` started; a single process otherwise."""
        if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", "0")))

    def leave(self) -> None:
        """Wait for the others and leave the group."""
        if self.count > 1:
            dist.barrier()
            dist.destroy_process_group()

    @torch.no_grad()
    def share(self, net: nn.Module) -> None:
        """Give every process the first one's weights."""
        if self.count > 1:
            for tensor in net.state_dict().values():
                dist.broadcast(tensor, 0)

    @torch.no_grad()
    def average(self, net: nn.Module) -> None:
        if self.count < 2:
            return
        for p in net.parameters():
            if p.requires_grad:
                grad = torch.zeros_like(p) if p.grad is None else p.grad
                dist.all_reduce(grad)
                p.grad = grad / self.count
