"""Measures that need trained networks: LPIPS, FID, VFID, PVCS. Without their weights they say what they need.

Weights are local files (safetensors, or a state dict saved by torch, read without running any code in it) or the names
of cards (``vrm weights import``). They are loaded strictly; nothing is ever measured by an untrained network.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vrm.errors import UsageError, WeightsError
from vrm.evaluate.scoring.feature_sets import Features
from vrm.evaluate.scoring.score import Gauge
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
"""By measure: its network, as cards call it."""
WINDOW = 10
"""Frames in a window of DEVIL's VFID over clips, and of PVCS."""


@dataclass
class Networks:
    """The networks whose weights were given.

    Attributes:
        lpips: by name of the measure ("lpips_alex", "lpips_vgg").
        inception, i3d: or None.
        device: torch device.
        names: the weights, in words that change when their files do.
        here: measures that nobody asked for, though their weights are here.
    """

    lpips: dict[str, Any] = field(default_factory=dict)
    inception: Any = None
    i3d: Any = None
    device: Any = "cpu"
    names: tuple[str, ...] = ()
    here: frozenset[str] = frozenset()

    @property
    def needs(self) -> dict[str, str]:
        """By measure: what it would need."""
        have = {"lpips": bool(self.lpips), "fid": self.inception is not None, "vfid": self.i3d is not None}
        have["pvcs"] = have["vfid"]
        asking = "needs to be asked for, with --measures all or {}: its weights are here"
        texts = {name: asking.format(name) if name in self.here else text for name, text in NEEDS.items()}
        return {name: text for name, text in texts.items() if not have[name]}

    def gauges(self) -> list[Gauge]:
        """Fresh gauges for one result."""
        found: list[Gauge] = [LpipsGauge(name, net, self.device) for name, net in self.lpips.items()]
        if self.inception is not None:
            found.append(FidGauge(self.inception, self.device))
        if self.i3d is not None:
            found.append(VideoGauge(self.i3d, self.device))
        return found


def open_networks(
    lpips: Sequence[str], fid: str | None, i3d: str | None, device: str = "auto", measures: Sequence[str] = ()
) -> Networks:
    """Load the networks that weights are given for, or whose measures are asked for and whose cards are here.

    Args:
        lpips: weights of AlexNet or VGG-16: files or names of cards.
        fid, i3d: the same for FID's Inception and I3D.
        device: as in ``--device``.
        measures: as in ``--measures``.

    Raises:
        WeightsError: a file is missing, is something else, or lacks a tensor.
        UsageError: the package lpips is not installed.
    """
    asked = {name for name in CARDS if {"all", name} & set(measures)}
    cards = {name: _here(network) for name, network in CARDS.items()}
    lpips = lpips or (cards["lpips"] if "lpips" in asked else ())
    fid = fid or (next(iter(cards["fid"]), None) if "fid" in asked else None)
    i3d = i3d or (next(iter(cards["vfid"]), None) if {"vfid", "pvcs"} & asked else None)
    here = frozenset(name for name, found in cards.items() if found and name not in asked)
    if not (lpips or fid or i3d):
        return Networks(here=here)
    from vrm.system.device import choose

    networks = Networks(device=choose(EngineOptions(device=device, dtype="fp32")).device, here=here)
    networks.names = tuple(_described(name) for name in (*lpips, fid, i3d) if name)
    for name in lpips:
        measure, net = _lpips(read_weights(name, "lpips", "--lpips"), name)
        networks.lpips[measure] = net.to(networks.device)
    if fid:
        from vrm.nets.metric.inception import FidInception

        networks.inception = _filled(FidInception(), read_weights(fid, "fid-inception", "--fid"), fid).to(
            networks.device
        )
    if i3d:
        from vrm.nets.metric.i3d import I3d

        tensors = {k: v for k, v in read_weights(i3d, "i3d", "--i3d").items() if not k.startswith("logits.")}
        networks.i3d = _filled(I3d(), tensors, i3d).to(networks.device)
    return networks


def _here(network: str) -> list[str]:
    """The names of the cards of a network whose files are here."""
    return [card.name for card, folder in weights.known() if card.network == network and (folder / card.file).is_file()]


def _described(name: str) -> str:
    path = Path(name)
    if path.is_file():
        return f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}"
    return f"{name} {next((card.sha256 for card, _ in weights.known() if card.name == name), '')}".strip()


def read_weights(name: str, network: str, option: str) -> dict[str, torch.Tensor]:
    """The tensors of what a word of the command line names, all of them finite. Raises WeightsError."""
    from vrm.weights.convert.checkpoint import read_tensors

    tensors = read_tensors(weights.located(name, network, option))
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise WeightsError(f"{name} holds values that are not finite, in {key}.", "Get it again: it is damaged.")
    return tensors


def _filled(net: Any, tensors: Mapping[str, torch.Tensor], name: str) -> Any:
    """The network with these weights, all of them."""
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
    """LPIPS (Zhang et al. 2018) with the package's learned weights over the network that the file holds."""
    try:
        import lpips
    except ImportError as error:
        raise UsageError("LPIPS needs the package lpips.", "Install vrm[metrics].") from error
    first = tensors.get("features.0.weight")
    kind = {11: "alex", 3: "vgg"}.get(0 if first is None else first.shape[-1])
    if kind is None:
        raise WeightsError(f"{name} holds neither torchvision's alexnet nor its vgg16.", "Save its state_dict.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package calls torchvision as it was called years ago
        net = lpips.LPIPS(net=kind, pnet_rand=True, verbose=False)
    own = net.net.state_dict()
    wanted = {key: f"features.{key.split('.', 1)[1]}" for key in own}
    if lost := [v for k, v in wanted.items() if v not in tensors or tensors[v].shape != own[k].shape]:
        raise WeightsError(f"{name} lacks {lost[0]} of torchvision's {kind}, or has another shape for it.")
    net.net.load_state_dict({key: tensors[source].float() for key, source in wanted.items()}, strict=True)
    return f"lpips_{kind}", net.requires_grad_(False).eval()


def _tensor(frame: Pixels, device: Any) -> torch.Tensor:
    """``(H, W, 3)`` to ``(1, 3, H, W)`` in [0, 1]."""
    import torch

    values = frame.astype(np.float32) / np.float32(np.iinfo(frame.dtype).max)
    return torch.from_numpy(values).permute(2, 0, 1)[None].to(device)


class LpipsGauge:
    """LPIPS over composed frames with a hole, mean over them."""

    def __init__(self, name: str, net: Any, device: Any) -> None:
        self._name, self._net, self._device = name, net, device
        self._values: list[float] = []

    def begin(self) -> None:
        """A clip begins."""
        self._values = []

    def add(self, truth: Pixels, frame: Pixels, judged: bool, hole: bool) -> None:
        """The next frame."""
        if judged and hole:
            pair = (_tensor(image, self._device) for image in (truth, frame))
            self._values.append(float(self._net(*pair, normalize=True)))

    def end(self) -> tuple[dict[str, float | None], Features]:
        """The clip's mean."""
        return {self._name: mean(self._values).value}, {}


class FidGauge:
    """FID between all true and all composed frames of all clips, but those that were given."""

    def __init__(self, net: Any, device: Any) -> None:
        self._net, self._device = net, device
        self._found: list[np.ndarray] = []

    def begin(self) -> None:
        """A clip begins."""
        self._found = []

    def add(self, truth: Pixels, frame: Pixels, judged: bool, hole: bool) -> None:
        """The next frame."""
        import torch

        if not judged:
            return
        both = torch.cat([_tensor(truth, self._device), _tensor(frame, self._device)])
        self._found.append(self._net(both).cpu().numpy())

    def end(self) -> tuple[dict[str, float | None], Features]:
        """Features only: one clip alone has no FID that compares with anything."""
        if not self._found:
            return {}, {}
        found = np.stack(self._found)
        return {}, {"fid": (found[:, 0], found[:, 1])}


class VideoGauge:
    """VFID over whole videos, in both modes of batch normalisation, over windows of 10 frames, and PVCS."""

    def __init__(self, net: Any, device: Any) -> None:
        self._net, self._device = net, device
        self._windows: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        self._clip: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
        self._window: deque[tuple[torch.Tensor, torch.Tensor]] = deque(maxlen=WINDOW)
        self._pvcs: list[float] = []

    def begin(self) -> None:
        """A clip begins."""
        self._clip, self._windows, self._pvcs = ([], []), ([], []), []
        self._window.clear()

    def add(self, truth: Pixels, frame: Pixels, judged: bool, hole: bool) -> None:
        """The next frame; every ten frames in a row are a window."""
        import torch

        pair = _tensor(truth, self._device), _tensor(frame, self._device)
        for held, image in zip(self._clip, pair, strict=True):
            held.append(image)
        self._window.append(pair)
        if len(self._window) < WINDOW:
            return
        layers = [self._net(torch.stack(images, 2)) for images in zip(*self._window, strict=True)]
        arrays = [[value[0].cpu().numpy() for value in found.values()] for found in layers]
        self._pvcs.append(activation_distance(*arrays))
        for side, found in zip(self._windows, layers, strict=True):
            side.append(_pooled(found))

    def end(self) -> tuple[dict[str, float | None], Features]:
        """The clip's PVCS (None for fewer than ten frames), and features of the whole and of its windows."""
        import torch

        whole: dict[str, list[np.ndarray]] = {"vfid": []}
        for held in self._clip:
            video = torch.stack(held, 2)
            whole["vfid"].append(_pooled(self._net(video)))
            if video.shape[2] > 8 or max(video.shape[3:]) > 32:  # else its last layers have nothing to average over
                self._net.use_batch_statistics(True)
                whole.setdefault("vfid_batchstats", []).append(_pooled(self._net(video)))
                self._net.use_batch_statistics(False)
        features: Features = {name: (true[None], made[None]) for name, (true, made) in whole.items()}
        if self._pvcs:
            features["vfid_clips"] = np.stack(self._windows[0]), np.stack(self._windows[1])
        self._clip = ([], [])
        return {"pvcs": mean(self._pvcs).value}, features


def _pooled(found: Mapping[str, Any]) -> np.ndarray:
    """Mean over time and space of Mixed_5c: ``(1024,)``."""
    return np.asarray(found["Mixed_5c"][0].mean((1, 2, 3)).cpu().numpy())
