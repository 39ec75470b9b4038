"""The engines there are. A further one is one file and one line here."""

from __future__ import annotations

from importlib import import_module

from vrm.engines.base import Engine
from vrm.errors import UsageError
from vrm.options.remove import EngineOptions

ENGINES: dict[str, str] = {
    "motion": "vrm.engines.motion:MotionEngine",
    "internal": "vrm.engines.internal.engine:InternalEngine",
    "savit": "vrm.engines.savit.engine:SavitEngine",
    "keyframe": "vrm.engines.keyframe.engine:KeyframeEngine",
}
"""Name to "module:class"; the module is imported when the engine is first asked for."""


def create_engine(options: EngineOptions) -> Engine:
    """The engine the options name, configured by them.

    Raises:
        UsageError: no engine of that name.
    """
    if options.engine not in ENGINES:
        raise UsageError(f"--engine {options.engine} is unknown.", f"Choose from: {', '.join(ENGINES)}.")
    module, _, name = ENGINES[options.engine].partition(":")
    engine: Engine = getattr(import_module(module), name)(options)
    return engine
