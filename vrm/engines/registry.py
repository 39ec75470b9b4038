"""The engines there are. A further one is one file and one line here (and its name in ``vrm.options.ENGINES``)."""

from __future__ import annotations

from importlib import import_module

from vrm.engines.base import Engine
from vrm.errors import UsageError
from vrm.options import EngineOptions

ENGINES: dict[str, str] = {
    "internal": "vrm.engines.internal:InternalEngine",
    "savit": "vrm.engines.savit:SavitEngine",
    "keyframe": "vrm.engines.keyframe:KeyframeEngine",
}
"""Name to "module:class"; the module is imported when the engine is first asked for."""

WITHOUT_NETWORK = "vrm.engines.prefill:PrefillEngine"
"""The internal engine where motion does it all: it starts without torch."""


def create_engine(options: EngineOptions) -> Engine:
    """The engine the options name, configured by them.

    Raises:
        UsageError: no engine of that name.
    """
    if options.engine not in ENGINES:
        raise UsageError(f"--engine {options.engine} is unknown.", f"Choose from: {', '.join(ENGINES)}.")
    alone = options.engine == "internal" and options.preset == "fast" and options.prefill is not False
    module, _, name = (WITHOUT_NETWORK if alone else ENGINES[options.engine]).partition(":")
    engine: Engine = getattr(import_module(module), name)(options)
    return engine
