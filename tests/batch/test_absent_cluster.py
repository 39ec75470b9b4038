"""Where there is no Ray cluster. By its name it comes before the tests that have one, which "auto" would find."""

from __future__ import annotations

from pathlib import Path

import pytest

from vrm import api
from vrm.errors import UsageError
from vrm.options.batch import BatchOptions

pytest.importorskip("ray")
pytestmark = pytest.mark.xdist_group("ray")


def test_no_cluster_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(UsageError, match="No Ray cluster answers at 'auto'"):
        api.remove_batch(["a.mp4"], "b.mp4", batch=BatchOptions(ray="auto"), mask="m.png")
