"""Models whose device runs out of memory go on upon the processor, and say so; nothing else is tried again."""

import pytest
import torch

from vrm.options.remove import EngineOptions
from vrm.selection import cpu_fallback
from vrm.selection.labels.registry import MovableSegmenter
from vrm.selection.prompts.base import Prompt
from vrm.selection.prompts.registry import MovablePrompter

SHORT = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Model:
    """Too large for any device but the processor."""

    name, taxonomy, tracks = "model", "classes", True

    def __init__(self, options, error=SHORT):
        self.device, self.dtype, self.error = options.device, options.dtype, error

    def label(self, frame, t):
        if self.device != "cpu":
            raise self.error
        return frame, t

    def outline(self, *asked):
        return self.label(*asked[:2])

    def track(self, frame, annotated, start, stop, *, without=(), progress=None):
        return self.label(start, stop)


@pytest.fixture(autouse=True)
def devices(monkeypatch):
    """As if there were a GPU."""
    monkeypatch.setattr(cpu_fallback, "_device", lambda options: options.device.partition(":")[0])


OPTIONS = EngineOptions(device="cuda:0", dtype="fp16")


def test_a_segmenter_moves_once_and_stays():
    notes = []
    model = MovableSegmenter(Model, OPTIONS, notes.append)
    assert (model.device, model.dtype) == ("cuda:0", "fp16")
    assert [model.label("a", 1), model.label("b", 2)] == [("a", 1), ("b", 2)]
    assert (model.name, model.taxonomy, model.device, model.dtype) == ("model", "classes", "cpu", "auto")
    (note,) = notes
    assert "cuda ran out of memory" in note


def test_a_prompter_moves_whatever_it_was_asked():
    for ask, found in (
        (lambda model: model.outline(3, "frame", Prompt()), (3, "frame")),
        (lambda model: model.track(None, {}, 0, 9), (0, 9)),
    ):
        notes = []
        model = MovablePrompter(Model, OPTIONS, notes.append)
        assert model.tracks
        assert ask(model) == found
        assert len(notes) == 1


def test_a_model_that_does_not_even_fit_is_made_on_the_processor():
    def make(options):
        if options.device != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return Model(options)

    assert MovableSegmenter(make, OPTIONS, print).device == "cpu"


def test_other_errors_and_no_fallback_end_it():
    def broken(options):
        return Model(options, ValueError("a bug"))

    with pytest.raises(ValueError, match="a bug"):
        MovableSegmenter(broken, OPTIONS, print).label("a", 0)
    strict = EngineOptions(device="cuda", fallback=False)
    with pytest.raises(torch.OutOfMemoryError):
        MovableSegmenter(Model, strict, print).label("a", 0)
