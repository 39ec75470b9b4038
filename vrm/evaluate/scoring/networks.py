"""Measures that need trained networks: LPIPS, FID, VFID and PVCS. Without weights, they report what they need.

Weights are local files (safetensors, or a state dict saved by torch, read without running any code in it) or names of
cards (``vrm weights import``). They are loaded strictly; nothing is ever measured by an untrained network.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vrm.errors import WeightsError
from vrm.evaluate.scoring.feature_sets import Features
from vrm.evaluate.scoring.score import NetworkMetric
from vrm.metrics.means import mean
from vrm.metrics.perceptual import activation_distance
from vrm.options.remove import EngineOptions
from vrm.types import Pixels
from vrm.weights import cards as weights

if TYPE_CHECKING:
    import torch

NEEDS = {
    "lpips": "needs AlexNet or VGG-16 as torchvision has them (vrm weights import alexnet FILE, or --lpips FILE), and "
    "the package lpips",
    "fid": "needs FID's Inception, pt_inception-2015-12-05 (vrm weights import fid-inception FILE, or --fid FILE)",
    "vfid": "needs I3D, rgb_imagenet of pytorch-i3d (vrm weights import i3d FILE, or --i3d FILE)",
    "pvcs": "needs I3D, rgb_imagenet of pytorch-i3d (vrm weights import i3d FILE, or --i3d FILE)",
}
CARDS = {"lpips": "lpips", "fid": "fid-inception", "vfid": "i3d", "pvcs": "i3d"}
"""By measure, its network as cards call it."""
WINDOW = 10
"""Frames in a window of DEVIL's VFID over clips and of PVCS."""


@dataclass
class Networks:
    """The networks whose weights were given.

    Attributes:
        lpips: by name of the measure ("lpips_alex", "lpips_vgg").
        device: torch device.
        names: of the weights; they change when a file does.
        available: measures that were not asked for, though their weights are present.
    """

    lpips: dict[str, Any] = field(default_factory=dict)
    inception: Any = None
    i3d: Any = None
    device: Any = "cpu"
    names: tuple[str, ...] = ()
    available: frozenset[str] = frozenset()

    @property
    def needs(self) -> dict[str, str]:
        """By measure, what is missing for it."""
        have = {"lpips": bool(self.lpips), "fid": self.inception is not None, "vfid": self.i3d is not None}
        have["pvcs"] = have["vfid"]
        asking = "needs to be asked for, with --measures all or {}: its weights are here"
        texts = {name: asking.format(name) if name in self.available else text for name, text in NEEDS.items()}
        return {name: text for name, text in texts.items() if not have[name]}

    def metrics(self) -> list[NetworkMetric]:
        found: list[NetworkMetric] = [LpipsMetric(name, net, self.device) for name, net in self.lpips.items()]
        if self.inception is not None:
            found.append(FidMetric(self.inception, self.device))
        if self.i3d is not None:
            found.append(VideoMetric(self.i3d, self.device))
        return found


def open_networks(
    lpips: Sequence[str], fid: str | None, i3d: str | None, device: str = "auto", measures: Sequence[str] = ()
) -> Networks:
    """Load the networks whose weights are given, or whose measures are asked for and whose weights are present.

    Args:
        lpips: weights of AlexNet or VGG-16: files or names of cards.
        fid, i3d: the same for FID's Inception and I3D.
        device, measures: as the options of these names.

    Raises:
        WeightsError: a file is missing, of another network, or lacks a tensor.
    """
    asked = {name for name in CARDS if {"all", name} & set(measures)}
    cards = {name: _available(network) for name, network in CARDS.items()}
    lpips = lpips or (cards["lpips"] if "lpips" in asked else ())
    fid = fid or (next(iter(cards["fid"]), None) if "fid" in asked else None)
    i3d = i3d or (next(iter(cards["vfid"]), None) if {"vfid", "pvcs"} & asked else None)
    available = frozenset(name for name, found in cards.items() if found and name not in asked)
    if not (lpips or fid or i3d):
        return Networks(available=available)
    from vrm.system.device import choose

    networks = Networks(device=choose(EngineOptions(device=device, dtype="fp32")).device, available=available)
    networks.names = tuple(_described(name) for name in (*lpips, fid, i3d) if name)
    for name in lpips:
        measure, net = _lpips(read_weights(name, "lpips", "--lpips"), name)
        networks.lpips[measure] = net.to(networks.device)
    if fid:
        from vrm.nets.metric.inception import FidInception

        tensors = read_weights(fid, "fid-inception", "--fid")
        networks.inception = _loaded(FidInception(), tensors, fid).to(networks.device)
    if i3d:
        from vrm.nets.metric.i3d import I3d

        tensors = {k: v for k, v in read_weights(i3d, "i3d", "--i3d").items() if not k.startswith("logits.")}
        networks.i3d = _loaded(I3d(), tensors, i3d).to(networks.device)
    return networks


def _available(network: str) -> list[str]:
    return [card.name for card, folder in weights.known() if card.network == network and (folder / card.file).is_file()]


def _described(name: str) -> str:
    path = Path(name)
    if path.is_file():
        return f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}"
    return f"{name} {next((card.sha256 for card, _ in weights.known() if card.name == name), '')}".strip()


def read_weights(name: str, network: str, option: str) -> dict[str, torch.Tensor]:
    """The tensors that an option's value names (a file or a card), all of them finite. Raises WeightsError."""
    from vrm.weights.convert.checkpoint import read_tensors

    tensors = read_tensors(weights.located(name, network, option))
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise WeightsError(f"{name} holds values that are not finite, in {key}.", "Get it again: it is damaged.")
    return tensors


def _loaded(net: Any, tensors: Mapping[str, torch.Tensor], name: str) -> Any:
    """The network with these weights; names and shapes must agree. Raises WeightsError."""
    own = net.state_dict()
    missing = [k for k in own if k not in tensors and not k.endswith("num_batches_tracked")]
    wrong = [k for k in own if k in tensors and tensors[k].shape != own[k].shape]
    foreign = [k for k in tensors if k not in own]
    for kind, keys in (("lacks", missing), ("has another shape for", wrong), ("has the unknown", foreign)):
        if keys:
            what = type(net).__name__
            raise WeightsError(f"{name} does not hold {what}: it {kind} {keys[0]} ({len(keys)} such tensors).")
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}, strict=False)
    return net


def _lpips(tensors: Mapping[str, torch.Tensor], name: str) -> tuple[str, Any]:
    """LPIPS (Zhang et al. 2018): the package's learned weights on the network in the file."""
    import lpips

    first = tensors.get("features.0.weight")
    kind = {11: "alex", 3: "vgg"}.get(0 if first is None else first.shape[-1])
    if kind is None:
        raise WeightsError(f"{name} holds neither torchvision's alexnet nor its vgg16.", "Save its state_dict.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package uses deprecated arguments of torchvision
        net = lpips.LPIPS(net=kind, pnet_rand=True, verbose=False)
    own = net.net.state_dict()
    wanted = {key: f"features.{key.split('.', 1)[1]}" for key in own}
    if lost := [v for k, v in wanted.items() if v not in tensors or tensors[v].shape != own[k].shape]:
        raise WeightsError(f"{name} lacks {lost[0]} of torchvision's {kind}, or has another shape for it.")
    net.net.load_state_dict({key: tensors[source].float() for key, source in wanted.items()}, strict=True)
    return f"lpips_{kind}", net.requires_grad_(False).eval()


def _tensor(frame: Pixels, device: Any) -> torch.Tensor:
    """``(H, W, 3)`` as ``(1, 3, H, W)`` in [0, 1]."""
    import torch

    values = frame.astype(np.float32) / np.float32(np.iinfo(frame.dtype).max)
    return torch.from_numpy(values).permute(2, 0, 1)[None].to(device)


class LpipsMetric:
    """LPIPS of composed frames with a hole, mean over them."""

    def __init__(self, name: str, net: Any, device: Any) -> None:
        self._name, self._net, self._device = name, net, device
        self._values: list[float] = []

    def update(self, truth: Pixels, frame: Pixels, scored: bool, hole: bool) -> None:
        if scored and hole:
            pair = (_tensor(image, self._device) for image in (truth, frame))
            self._values.append(float(self._net(*pair, normalize=True)))

    def compute(self) -> tuple[dict[str, float | None], Features]:
        return {self._name: mean(self._values).value}, {}


class FidMetric:
    """FID between all true and all composed frames of all clips, without those that were given."""

    def __init__(self, net: Any, device: Any) -> None:
        self._net, self._device = net, device
        self._features: list[np.ndarray] = []

    def update(self, truth: Pixels, frame: Pixels, scored: bool, hole: bool) -> None:
        import torch

        if scored:
            both = torch.cat([_tensor(truth, self._device), _tensor(frame, self._device)])
            self._features.append(self._net(both).cpu().numpy())

    def compute(self) -> tuple[dict[str, float | None], Features]:
        """Features only: one clip alone has no FID that compares with anything."""
        if not self._features:
            return {}, {}
        found = np.stack(self._features)
        return {}, {"fid": (found[:, 0], found[:, 1])}


class VideoMetric:
    """VFID over whole videos, in both modes of batch normalisation, over windows of 10 frames, and PVCS."""

    def __init__(self, net: Any, device: Any) -> None:
        self._net, self._device = net, device
        self._videos: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
        self._windows: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        self._pvcs: list[float] = []

    def update(self, truth: Pixels, frame: Pixels, scored: bool, hole: bool) -> None:
        import torch

        for video, image in zip(self._videos, (truth, frame), strict=True):
            video.append(_tensor(image, self._device))
        if len(self._videos[0]) < WINDOW:
            return
        layers = [self._net(torch.stack(video[-WINDOW:], 2)) for video in self._videos]
        arrays = [[value[0].cpu().numpy() for value in found.values()] for found in layers]
        self._pvcs.append(activation_distance(*arrays))
        for side, found in zip(self._windows, layers, strict=True):
            side.append(_pooled(found))

    def compute(self) -> tuple[dict[str, float | None], Features]:
        """The clip's PVCS (None for fewer than ten frames), and features of the whole and of its windows."""
        import torch

        whole: dict[str, list[np.ndarray]] = {"vfid": []}
        for frames in self._videos:
            video = torch.stack(frames, 2)
            whole["vfid"].append(_pooled(self._net(video)))
            if video.shape[2] > 8 or max(video.shape[3:]) > 32:  # else the last layers' statistics are of one value
                self._net.use_batch_statistics(True)
                whole.setdefault("vfid_batchstats", []).append(_pooled(self._net(video)))
                self._net.use_batch_statistics(False)
        features: Features = {name: (true[None], filled[None]) for name, (true, filled) in whole.items()}
        if self._pvcs:
            features["vfid_clips"] = np.stack(self._windows[0]), np.stack(self._windows[1])
        return {"pvcs": mean(self._pvcs).value}, features


def _pooled(found: Mapping[str, Any]) -> np.ndarray:
    """Mean over time and space of Mixed_5c: ``(1024,)``."""
    return np.asarray(found["Mixed_5c"][0].mean((1, 2, 3)).cpu().numpy())
