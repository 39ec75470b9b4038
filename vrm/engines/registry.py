"""An engine by its name; ``vrm.options.remove.ENGINES`` lists them."""

from __future__ import annotations

from importlib import import_module

from vrm.engines.base import Engine
from vrm.options.remove import ENGINES, EngineOptions


def create_engine(options: EngineOptions) -> Engine:
    """The engine the options name, configured by them; its module is imported when it is first asked for."""
    module, _, name = ENGINES[options.engine].partition(":")
    engine: Engine = getattr(import_module(module), name)(options)
    return engine
