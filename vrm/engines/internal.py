"""The internal engine: every video teaches its own network (Ouyang et al. 2021).

``fast`` hands on what motion propagated. ``balanced`` and ``best`` hide known pixels of the shot on purpose, run
motion on those holes as well, and fit a small gated network (``vrm.nets.fuser``) to tell, for this video, which of
motion's candidates to trust where, and what to add where none is right. ``paper`` is the published system alone: the
coarse-to-fine network fitted to the known pixels with translated masks (Eq. 1 and 2), motion is never asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from vrm.engines.base import Progress, Session, Shot, Window, as_float
from vrm.engines.crop import in_tiles
from vrm.engines.kept import FitFolder, HalfFit, Kept
from vrm.engines.memorise import MemorySession, fit_memory
from vrm.engines.prefill import PrefillSession, to_patch
from vrm.engines.trust import Trust, judge, take
from vrm.motion.detail import restore_detail
from vrm.motion.unseen import complete_unseen
from vrm.nets.fuser import Fuser
from vrm.options import EngineOptions
from vrm.train.device import Compute, choose
from vrm.train.fit import Budget, History, fit
from vrm.train.holes import Copy, held_back
from vrm.train.initialise import unit_variance
from vrm.train.inputs import CANDIDATES, CHANNELS, Sample, pack, unpack
from vrm.train.lessons import MARGIN, Lesson, draw, fuser_loss, hide, lesson, tiles
from vrm.types import Box, Patch, Pixels, grow_box
from vrm.weights import find, load_into


@dataclass(frozen=True)
class Plan:
    """What a preset does.

    Attributes:
        budget: of the fit.
        stretch: frames in a row that lessons are taken from.
        stretches: how many such stretches, spread over the shot.
        copies: held-back holes per frame.
        width: of the network.
        crops, side: crops per step and their side in pixels.
    """

    budget: Budget
    stretch: int = 24
    stretches: int = 1
    copies: int = 2
    width: int = 24
    crops: int = 6
    side: int = 96


PLANS = {
    "balanced": Plan(Budget(120, 1e-3, anneal=True, check_every=20, patience=3, average=0.95)),
    "best": Plan(
        Budget(1500, 1e-3, anneal=True, check_every=50, patience=6, average=0.98), stretch=40, stretches=2, copies=3,
        width=32, crops=8, side=128,
    ),
}  # fmt: skip

MEMORY_STEPS = {"fast": 300, "balanced": 600, "best": 4000, "paper": 4000}
"""Steps of the fit where motion may not be asked. The paper takes 60,000.
On two cores 600 steps of width 24 take minutes, 4,000 of width 48 hours."""

MEMORY_WIDTH = {"fast": 24, "balanced": 24, "best": 48, "paper": 48}
"""Width of that network; the paper's is 48."""

WARM_RATE = 0.1
"""A trained prior is fitted more gently, at this share of the rate."""

LESSON_PIXELS = 4_000_000
"""Most hole pixels in all lessons of a shot; with motion's candidates each takes about 150 bytes. Under a bound on
memory below 3 GB they are fewer in proportion."""

TILE = 640


class InternalEngine:
    """See the module. Attributes ``device`` and ``dtype`` say what was chosen, in words."""

    name = "internal"
    labelled = False
    generates = True
    keeps = True

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.compute = choose(options)
        self.device, self.dtype = self.compute.names
        if options.prior not in ("auto", "none"):
            find(options.prior, "fuser")  # refused now, not after an hour

    def prepare(self, shot: Shot, progress: Progress) -> Session:
        """Fit to the shot, if the preset says so, and return the session that fills it."""
        options = self.options
        alone = options.preset == "paper" or options.prefill is False
        if options.preset == "fast" and not alone:
            return PrefillSession(shot)
        fits = None if options.fits is None else FitFolder(options.fits)
        kind = f"{options.preset}-{'alone' if alone else Path(options.prior).stem}-{options.seed}"
        kept = None if fits is None else fits.find(kind, shot.start)
        if kept is not None:
            return (MemorySession if alone else FusedSession).restored(shot, kept, self.compute)
        with self.compute.running(options.seed):
            if alone:
                steps, width = MEMORY_STEPS[options.preset], MEMORY_WIDTH[options.preset]
                session: Session = fit_memory(
                    shot, self.compute, steps, width, options.seed, progress,
                    None if fits is None else lambda part: fits.half(kind, shot.start, part),
                )  # fmt: skip
            else:
                half = None if fits is None else fits.half(kind, shot.start)
                session = self._fit(shot, PLANS[options.preset], progress, half)
        if fits is not None and isinstance(session, FusedSession | MemorySession):
            fits.keep(kind, shot.start, session.state())
        return session

    def _fit(self, shot: Shot, plan: Plan, progress: Progress, half: HalfFit | None) -> Session:
        net = load_prior(self.options.prior)
        pixels = round(LESSON_PIXELS * min(1.0, (self.options.memory_gb or 3) / 3))
        lessons = take_lessons(shot, plan, self.options.seed, progress, pixels)
        if not lessons.fitted:  # nothing tells whether the network is to be trusted here
            return PrefillSession(shot)
        cold = net is None
        net = Fuser(CHANNELS, CANDIDATES, plan.width) if net is None else net
        budget = plan.budget if cold else replace(plan.budget, rate=plan.budget.rate * WARM_RATE)
        history, trust = fit_fuser(
            net, lessons, plan, budget, self.compute, self.options.seed, progress, not cold, half
        )
        return FusedSession(shot, net, trust, self.compute, history)


def load_prior(name: str) -> Fuser | None:
    """The fuser trained on many clips, by name or path; "auto" is the one that ships.

    None for "none", and for "auto" where none ships.

    Raises:
        WeightsError: there is none of that name, or it does not fit.
    """
    found = find(name, "fuser") if name != "none" else None
    if found is None:
        return None
    card, folder = found
    net = Fuser(CHANNELS, CANDIDATES, card.settings["width"])
    load_into(net, card, folder)
    return net


def stretches(shot: Shot, plan: Plan, pixels: int = LESSON_PIXELS) -> list[Window]:
    """Windows that lessons are taken from, spread over the shot's own windows.

    Args:
        shot: gives its windows and holes.
        plan: how many, and how long.
        pixels: most hole pixels, real and hidden, in all of them together; larger holes make them shorter.
    """
    longest = sorted(shot.windows(), key=lambda w: (w.start - w.stop, w.start))
    if not longest:
        return []
    w = longest[0]
    area = max(int(shot.hole(t).sum()) for t in {w.start, (w.start + w.stop) // 2, w.stop - 1})
    length = min(plan.stretch, max(3, pixels // (plan.stretches * (1 + plan.copies) * max(1, area))))
    wanted = min(plan.stretches, max(1, sum(w.stop - w.start for w in longest) // length))
    found = []
    for i in range(wanted):
        w = longest[i * len(longest) // wanted]
        share = [j for j in range(wanted) if j * len(longest) // wanted == i * len(longest) // wanted]
        room = max(0, w.stop - w.start - length)
        start = w.start + room * (2 * share.index(i) + 1) // (2 * len(share))
        stop = min(w.stop, start + length)
        around = plan.stretch // 2
        found.append(Window(start, stop, max(w.context_start, start - around), min(w.context_stop, stop + around)))
    return found


@dataclass(frozen=True)
class Lessons:
    """What a shot teaches: lessons to fit to, and lessons to judge by, whose pixels lie elsewhere in the picture."""

    fitted: list[Lesson]
    held: list[Lesson]


def take_lessons(shot: Shot, plan: Plan, seed: int, progress: Progress, pixels: int = LESSON_PIXELS) -> Lessons:
    """Hide known pixels, run motion on the larger holes, and keep what it found beside the truth.

    The last copy of each stretch is held back, every fourth frame of it: the real hole shows another part of the
    scene than the network was fitted to, and only pixels elsewhere tell what that costs. Where there is room for
    one copy alone, its frames are shared out instead.

    Returns:
        Lessons in the order of frames; none where nothing known can be hidden.
    """
    found = Lessons([], [])
    windows = stretches(shot, plan, pixels)
    for i, window in enumerate(windows):
        progress("held-back holes", i, len(windows))
        times = range(window.context_start, window.context_stop)
        copies = held_back([shot.hole(t) for t in times], seed + i, plan.copies)
        if copies:
            _take(shot, window, copies, found)
    progress("held-back holes", len(windows), len(windows))
    return found


def _take(shot: Shot, window: Window, copies: tuple[Copy, ...], into: Lessons) -> None:
    """The lessons of one stretch."""
    motion = shot.propagation(window, lambda t: hide(shot.hole(t), copies))
    for n, t in enumerate(range(window.start, window.stop)):
        if t not in motion.fills:
            continue
        frame, hole = shot.frame(t), shot.hole(t)
        sample = pack(motion.fills[t], motion.size)
        held = n % 4 == 1
        if len(copies) == 1:
            _add(into.held if held else into.fitted, lesson(frame, hole, hide(hole, copies), sample))
            continue
        first = hide(hole, copies[:-1])
        _add(into.fitted, lesson(frame, hole, first, sample))
        if held:
            _add(into.held, lesson(frame, hole, copies[-1].of(hole) & ~first, sample))


def _add(lessons: list[Lesson], one: Lesson | None) -> None:
    if one is not None:
        lessons.append(one)


def fit_fuser(
    net: Fuser, lessons: Lessons, plan: Plan, budget: Budget, compute: Compute, seed: int, progress: Progress,
    warm: bool = False, half: HalfFit | None = None,
) -> tuple[History, Trust]:  # fmt: skip
    """Fit the fuser to a shot's lessons, in place, and judge it on those held back.

    Args:
        net: freshly made, or a trained prior.
        lessons: at least one to fit to; with none held back it is judged on those as well.
        plan, budget: how.
        compute: where.
        seed: of the crops.
        progress: told about the fit.
        warm: the net is trained already; otherwise it is initialised by the data.
        half: where the fit is kept half way, and gone on from.
    """
    fitted = lessons.fitted
    rng = np.random.default_rng(seed)
    looks = tiles(lessons.held or fitted, plan.side, 24, compute)
    compute.place(net)
    if not warm:
        first = draw(fitted, plan.crops, plan.side, rng, compute)
        unit_variance(net, first.x, first.colours, first.valid)

    def held_loss(net: torch.nn.Module) -> float:
        with compute.autocast():
            return sum(float(fuser_loss(net, batch) * batch.where.sum()) for batch in looks) / sum(
                float(batch.where.sum()) for batch in looks
            )

    history = fit(
        net,
        lambda net, step: fuser_loss(net, draw(fitted, plan.crops, plan.side, rng, compute)),
        budget,
        compute,
        held_loss,
        lambda done, total: progress("fit", done, total),
        half,
        (rng,),
    )
    return history, judge(net, looks, compute)


class FusedSession:
    """The fitted fuser over what motion found.

    Attributes:
        history, trust: how the fit went, and what the held-back holes say.
        notes: what the user should know.
    """

    def __init__(
        self, shot: Shot, net: Fuser, trust: Trust, compute: Compute, history: History, notes: tuple[str, ...] = ()
    ) -> None:
        self.shot, self.net, self.trust, self.compute = shot, net, trust, compute
        self.history, self.notes = history, notes

    def state(self) -> Kept:
        """The fit, to be kept."""
        about = {"width": self.net.width, "unseen": self.trust.unseen, "seen": self.trust.seen}
        return Kept(about, self.net.state_dict())

    @classmethod
    def restored(cls, shot: Shot, kept: Kept, compute: Compute) -> FusedSession:
        """A session with a fit that was kept; it may come from another shot of the same video."""
        net = Fuser(CHANNELS, CANDIDATES, kept.about["width"])
        net.load_state_dict(kept.tensors)
        compute.place(net.eval())
        trust = Trust(kept.about["unseen"], kept.about["seen"])
        return cls(shot, net, trust, compute, History(), kept.notes)

    def fill(self, window: Window) -> dict[int, Patch]:
        """Patches of the window's frames that have a hole."""
        if not self.trust.network:
            return PrefillSession(self.shot).fill(window)
        found = self.shot.propagation(window)
        patches = {}
        with self.compute.running(0), torch.inference_mode():
            for t, fill in found.fills.items():
                if window.start <= t < window.stop and fill.index.size:
                    frame = self.shot.frame(t)
                    network = self._fuse(frame, pack(fill, found.size))
                    rgb = take(fill.rgb, network, fill.index, found.size)
                    patches[t] = to_patch(frame, fill.index, restore_detail(fill, rgb, found.size))
        complete_unseen(self.shot, found, patches)
        return patches

    def _fuse(self, frame: Pixels, sample: Sample) -> np.ndarray:
        """The network's colours in the hole, float32 ``(N, 3)``."""
        h, w = sample.size
        rows, cols = np.divmod(sample.index, w)
        around = (int(rows.min()), int(cols.min()), int(rows.max()) + 1, int(cols.max()) + 1)
        box = grow_box(around, MARGIN, (h, w))

        def render(part: Box) -> np.ndarray:
            y0, x0, y1, x1 = part
            x, colours, valid = unpack(sample, as_float(frame[y0:y1, x0:x1]), part)
            device = self.compute.device
            with self.compute.autocast():
                fused, _ = self.net(self.compute.put(x[None]), colours[None].to(device), valid[None].to(device))
            return np.ascontiguousarray(fused[0].float().cpu().numpy().transpose(1, 2, 0))

        out = in_tiles(box, TILE, render)
        picked: np.ndarray = out[rows - box[0], cols - box[1]]
        return picked
