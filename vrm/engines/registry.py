"""An engine by its name; ``vrm.options.remove.ENGINES`` lists them."""

from __future__ import annotations

from importlib import import_module

from vrm.engines.base import Engine
from vrm.options.remove import ENGINES, EngineOptions
from vrm.system.extras import needed_by


def create_engine(options: EngineOptions) -> Engine:
    """The engine the options name, configured by them; its module is imported when it is first asked for."""
    module, _, name = ENGINES[options.engine].partition(":")
    with needed_by(f"--engine {options.engine}"):
        engine: Engine = getattr(import_module(module), name)(options)
    return engine
