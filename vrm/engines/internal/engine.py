"""The internal engine: a network learns the video from its own known pixels (Ouyang et al. 2021).

``paper`` is the published system alone: the coarse-to-fine network fitted with translated masks (Eq. 1 and 2); motion
is never asked. ``fast``, ``balanced`` and ``best`` are those of the engine ``motion``, unless ``--no-prefill`` says
that motion may not be asked.
"""

from __future__ import annotations

from vrm.engines.base import Session, Shot
from vrm.engines.motion import PrefillSession
from vrm.events import Progress
from vrm.job.checkpoints import FitFolder
from vrm.options.remove import EngineOptions

STEPS = {"fast": 300, "balanced": 600, "best": 4000, "paper": 4000}
"""Steps of the fit where motion may not be asked. The paper takes 60,000.
On two cores 600 steps of width 24 take minutes, 4,000 of width 48 hours."""

WIDTH = {"fast": 24, "balanced": 24, "best": 48, "paper": 48}
"""Width of that network; the paper's is 48."""


class InternalEngine:
    """See the module; attributes as in ``vrm.engines.base.Engine``."""

    name = "internal"
    labelled = False
    generates = True
    device, dtype = "cpu", "fp32"

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.keeps = options.preset == "paper" or options.prefill is False
        self.looks_beyond = not self.keeps
        if self.keeps:
            from vrm.system.device import choose

            self.compute = choose(options)
            self.device, self.dtype = self.compute.names

    def prepare(self, shot: Shot, progress: Progress) -> Session:
        if not self.keeps:
            return PrefillSession(shot)
        from vrm.engines.internal.fit import InternalSession, fit_shot

        options = self.options
        fits = None if options.fits is None else FitFolder(options.fits)
        kind = f"{options.preset}-alone-{options.seed}"
        kept = None if fits is None else fits.find(kind, shot.start)
        if kept is not None:
            return InternalSession.restored(shot, kept, self.compute)
        with self.compute.running(options.seed):
            session = fit_shot(
                shot, self.compute, STEPS[options.preset], WIDTH[options.preset], options.seed, progress,
                None if fits is None else lambda part: fits.half(kind, shot.start, part),
            )  # fmt: skip
        if fits is not None:
            fits.keep(kind, shot.start, session.state())
        return session
