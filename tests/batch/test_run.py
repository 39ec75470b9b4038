"""Many jobs in real processes whose work is pretended: what one of them does never costs another anything."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vrm import api
from vrm.batch import local
from vrm.batch import run as batch_module
from vrm.batch.index_page import write_index
from vrm.batch.plan import BatchJob
from vrm.batch.summary import Outcome, Summary
from vrm.cli.main import run
from vrm.errors import BatchError, Interrupted, OutputError, UsageError
from vrm.events import Events, JsonEvents, Result
from vrm.options.batch import BatchOptions
from vrm.system import worker
from vrm.system.files import remove_partial

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))


class Heard(Events):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []
        self.ends: list[dict[str, Any]] = []
        self.summaries: list[Summary] = []

    def stage(self, name: str, total: int) -> None:
        self.lines.append(("stage", name, total))

    def advance(self, name: str, n: int = 1) -> None:
        self.lines.append(("advance", name, n))

    def note(self, text: str) -> None:
        self.lines.append(("note", text))

    def done(self, report: Result) -> None:
        self.lines.append(("done", report.to_dict()["frames"]))

    def ended(self, outcome: Result) -> None:
        self.ends.append(outcome.to_dict())

    def summary(self, summary: Any) -> None:
        self.summaries.append(summary)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "WORKER", STAND_IN)
    monkeypatch.setattr(batch_module, "count_gpus", lambda device: 0)
    (tmp_path / "m.png").touch()
    return tmp_path


def clips(*names: str) -> list[str]:
    for name in names:
        Path(name).touch()
    return list(names)


def remove(names: list[str], events: Events, mask: str = "m.png", **words: Any) -> Summary:
    own = {word: words.pop(word) for word in list(words) if word in BatchOptions.__dataclass_fields__}
    return api.remove_batch(names, "out", events=events, batch=BatchOptions(**own), mask=mask, threads=2, **words)


def left_in(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_one_process_works_on_all_and_says_everything(here: Path) -> None:
    heard = Heard()
    summary = remove(clips("a.mp4", "b.mp4", "c.mp4"), heard)
    assert [outcome.status for outcome in summary.outcomes] == ["done"] * 3
    assert len({Path("out", name).read_text() for name in ("a.mp4", "b.mp4", "c.mp4")}) == 1
    of_one = [("stage", "fit", 3), ("advance", "fit", 2), ("note", "threads 2, memory None, at once 1"), ("done", 5)]
    assert heard.lines == of_one * 3
    assert [(end["job"], end["frames"], end["coverage"]) for end in heard.ends] == [(k, 5, 1.0) for k in range(3)]
    assert heard.summaries == [summary]


def test_two_processes_share(here: Path) -> None:
    heard = Heard()
    names = clips(*(f"{k}.mp4" for k in range(6)))
    assert remove(names, heard, jobs=2, memory=4.0).count("done") == 6
    assert len({Path("out", name).read_text() for name in names}) <= 2
    assert {line for line in heard.lines if line[0] == "note"} == {("note", "threads 1, memory 2.0, at once 2")}


def test_whatever_happens_to_one_costs_no_other(here: Path) -> None:
    names = clips("kill.mp4", "a.mp4", "memory.mp4", "mask.mp4", "b.mp4", "bug.mp4", "exit.mp4", "c.mp4")
    heard = Heard()
    with pytest.raises(BatchError, match="5 of 8 failed") as caught:
        remove(names, heard)
    (summary,) = heard.summaries
    assert caught.value.summary is summary
    found = {Path(outcome.input).stem: outcome for outcome in summary.outcomes}
    assert [found[name].status for name in ("a", "b", "c")] == ["done"] * 3
    codes = {name: found[name].error["exit_code"] for name in ("kill", "memory", "mask", "bug", "exit")}
    assert codes == {"kill": 6, "memory": 6, "mask": 4, "bug": 1, "exit": 6}
    assert "SIGKILL" in found["kill"].error["text"]
    assert "ran out of memory" in found["memory"].error["text"]
    assert "ZeroDivisionError" in found["bug"].error["traceback"]
    assert "ended with code 3" in found["exit"].error["text"]
    assert left_in("out") == ["a.mp4", "b.mp4", "c.mp4"]
    # A refused mask does not spoil a process; running out of memory may.
    assert Path("out/a.mp4").read_text() != Path("out/b.mp4").read_text()


def test_the_command_ends_with_seven_and_a_table(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clips("mask.mp4", "a.mp4")
    assert run(["remove", "mask.mp4", "a.mp4", "--mask", "m.png", "-o", "out", "--summary", "s.json"]) == 7
    out, err = capfd.readouterr()
    assert out.startswith("out/a.mp4: 2 of 5 frames")
    assert err.splitlines()[0] == "a library prints" or "a library prints" in err
    assert "failed: mask.mp4: The mask does not fit. Give another." in err
    assert "1 done, 1 failed; " in err
    assert err.splitlines()[-1] == "vrm: 1 of 2 failed; see the list."
    assert "Traceback" not in err
    record = json.loads(Path("s.json").read_text())
    assert (record["total"], record["done"], record["failed"], record["skipped"], record["left"]) == (2, 1, 1, 0, 0)
    assert record["jobs"][0]["error"] == {"text": "The mask does not fit.", "fix": "Give another.", "exit_code": 4}


def test_a_batch_goes_on_without_what_lacks_a_mask(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clips("a.mp4", "b.mp4", "c.mp4")
    Path("masks").mkdir()
    for name in ("a.png", "c.png"):
        (Path("masks") / name).touch()
    words = ["remove", "a.mp4", "b.mp4", "c.mp4", "--mask", "masks", "-o", "out", "--summary", "s.json"]
    assert run(words) == 7
    assert left_in("out") == ["a.mp4", "c.mp4"]
    assert "failed: b.mp4: masks holds no mask for b.mp4." in capfd.readouterr().err
    record = json.loads(Path("s.json").read_text())
    assert [job["status"] for job in record["jobs"]] == ["done", "failed", "done"]
    assert record["jobs"][1]["error"]["exit_code"] == 4
    for name in ("a.png", "c.png"):
        (Path("masks") / name).unlink()
    assert run([*words, "--overwrite"]) == 4, "a folder without any is refused"


def test_reports_of_many_have_a_page_over_them(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clips("mask.mp4", "a & b.mp4")
    line = ["remove", "mask.mp4", "a & b.mp4", "--mask", "m.png", "-o", "out", "--report", "html"]
    assert run(line) == 7
    page = Path("out/index.html")
    text = page.read_text(encoding="utf-8")
    assert "All reports: " in capfd.readouterr().err
    assert "a &amp; b.mp4" in text
    assert "The mask does not fit. Give another." in text
    assert "http" not in text, "nothing from elsewhere"
    assert run([*line, "--skip-existing"]) == 7, "its own page may be replaced"
    page.write_text("mine")
    assert run([*line, "--skip-existing"]) == 8
    assert page.read_text() == "mine"


def test_the_page_over_reports_leads_to_each_and_to_the_worst_first(tmp_path: Path) -> None:
    jobs = [BatchJob(k, Path(f"in/{name}.mp4"), tmp_path / f"{name}.mp4") for k, name in enumerate("abc")]
    for job in jobs[:2]:
        job.words["report"] = job.output.with_name(f"{job.output.name}.html")
        job.words["report"].touch()
    shares = ((0.9, 0.05, 0.05), (0.4, 0.2, 0.4), (1.0, 0.0, 0.0))
    done = [Outcome(k, f"in/{'abc'[k]}.mp4", "", "done", 61.0, 9, 5, *share) for k, share in enumerate(shares)]
    done[1].look_at.append([3, 4])
    write_index(tmp_path / "index.html", jobs, Summary(tuple(done), 100.0))
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall('href="(.*?)"', text) == ["a.mp4.html", "b.mp4.html"]
    assert re.search("Look first at (.*?): ", " ".join(text.split())).group(1) == "b.mp4, a.mp4"
    assert "40% found, 20% unsure, 40% synthesised" in text
    assert "frames 3-4" in text
    assert "1:01 min" in text


def test_lines_of_json(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clips("mask.mp4", "a.mp4", "b.mp4")
    Path("out").mkdir()
    Path("out/b.mp4").touch()
    line = "remove mask.mp4 a.mp4 b.mp4 --mask m.png -o out --json --skip-existing"
    assert run(line.split()) == 7
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(e["event"], e.get("job"), e.get("status")) for e in lines] == [
        ("batch", None, None),
        ("job", 2, "skipped"),
        ("job", 0, "started"),
        ("job", 0, "failed"),
        ("job", 1, "started"),
        ("stage", 1, None),
        ("progress", 1, None),
        ("note", 1, None),
        ("done", 1, None),
        ("job", 1, "done"),
        ("summary", None, None),
        ("error", None, None),
    ]
    keys = "event job input output status seconds frames masked_frames coverage unsure synthesised look_at"
    keys += " peak_memory_mb tries worker error"
    assert list(lines[9]) == keys.split()
    assert lines[0]["total"] == 3
    assert list(lines[10]) == ["event", "total", "done", "planned", "skipped", "failed", "left", "seconds", "jobs"]
    assert (lines[11]["exit_code"], lines[11]["text"]) == (7, "1 of 3 failed; see the list.")


def test_a_name_that_is_no_text(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clips("\udcff.mp4", "b.mp4")
    for words in ("--json", "--summary s.json"):
        assert run(["remove", "\udcff.mp4", "b.mp4", "--mask", "m.png", "-o", words[2:6], *words.split()]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    assert lines[-1]["jobs"][0]["input"] == "\udcff.mp4"
    assert json.loads(Path("s.json").read_text())["jobs"][0]["output"] == "summ/\udcff.mp4"
    assert Path("json/\udcff.mp4").exists()


def test_what_is_refused_leaves_no_folder(here: Path) -> None:
    with pytest.raises(UsageError, match=r"0\.75 GB for each"):
        remove(clips("a.mp4", "b.mp4"), Events(), jobs=2, memory=1.5)
    assert not Path("out").exists()


def test_what_is_there_is_skipped_without_a_process(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "WORKER", ("/none",))
    Path("out").mkdir()
    for name in clips("a.mp4", "b.mp4"):
        Path("out", name).touch()
    assert remove(["a.mp4", "b.mp4"], Events(), skip_existing=True).count("skipped") == 2
    assert run(["remove", "a.mp4", "--mask", "m.png", "-o", "out/a.mp4", "--skip-existing"]) == 0


def test_a_summary_takes_the_place_of_nothing_but_a_summary(here: Path) -> None:
    names = clips("a.mp4", "b.mp4")
    Path("s.json").write_text('{"mine": 1}')
    with pytest.raises(OutputError, match=r"s\.json exists, and is no summary"):
        remove(names, Events(), summary=Path("s.json"))
    assert Path("s.json").read_text() == '{"mine": 1}'
    assert not Path("out").exists()
    Path("file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        remove(names, Events(), summary=Path("file/s.json"))
    for _ in range(2):  # the second takes the place of the first
        assert remove(names, Events(), summary=Path("new/s.json"), skip_existing=True).count("failed") == 0
    assert json.loads(Path("new/s.json").read_text())["skipped"] == 2


def test_one_video_that_was_named_alone_has_its_own_exit_code(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clips("mask.mp4", "bug.mp4")
    words = ["--mask", "m.png", "-o", "out/", "--skip-existing", "--summary", "s.json"]
    assert run(["remove", "mask.mp4", *words]) == 4
    assert capfd.readouterr().err.splitlines()[-1] == "vrm: The mask does not fit. Give another."
    assert json.loads(Path("s.json").read_text())["failed"] == 1
    assert run(["remove", "bug.mp4", *words]) == 1
    assert "ZeroDivisionError" in capfd.readouterr().err
    Path("list.csv").write_text("input,mask\nmask.mp4,m.png\n")
    assert run(["remove", "--manifest", "list.csv", "-o", "out"]) == 7


def test_a_folder_that_cannot_be_made(here: Path) -> None:
    Path("out").touch()
    with pytest.raises(OutputError):
        api.remove_batch(clips("a.mp4", "b.mp4"), "out/x", mask="m.png")


def test_an_interrupt_here_stops_everything(here: Path) -> None:
    class Stop(Heard):
        def note(self, text: str) -> None:
            if len(self.ends) == 1:
                patience(lambda: Path("out/waiting").exists() and Path("out/waiting").read_text() != "")
                raise KeyboardInterrupt

    heard = Stop()
    with pytest.raises(Interrupted, match="1 done, 2 left"):
        remove(clips("a.mp4", "wait.mp4", "c.mp4"), heard)
    assert left_in("out") == ["a.mp4", "waiting"]
    gone(int(Path("out/waiting").read_text()))
    assert heard.summaries[0].count("left") == 2


def test_what_was_finished_before_an_interrupt_counts(here: Path) -> None:
    class Stop(Heard):
        def stage(self, name: str, total: int) -> None:
            patience(lambda: Path("out/a.mp4").exists())
            time.sleep(0.5)  # for the worker to say so
            raise KeyboardInterrupt

    heard = Stop()
    with pytest.raises(Interrupted, match="1 done, 1 left"):
        remove(clips("a.mp4", "wait.mp4"), heard)
    assert [end["status"] for end in heard.ends] == ["done"]


def patience(until: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def gone(pid: int) -> None:
    def ended() -> bool:
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            return Path(f"/proc/{pid}/stat").exists() and " Z " in Path(f"/proc/{pid}/stat").read_text()
        return True

    patience(ended)


MAIN = (
    "import sys; from vrm.batch import local; local.WORKER = tuple(sys.argv[1:3]); del sys.argv[1:3]\n"
    "from vrm.cli.main import main; main()"
)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_the_children_too(here: Path, sent: signal.Signals) -> None:
    clips("a.mp4", "wait.mp4", "c.mp4")
    words = ["remove", "a.mp4", "wait.mp4", "c.mp4", "--mask", "m.png", "-o", "out", "--summary", "s.json"]
    command = [sys.executable, "-c", MAIN, *STAND_IN, *words]
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=heard)
    patience(lambda: Path("out/waiting").exists() and Path("out/waiting").read_text() != "")
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    gone(int(Path("out/waiting").read_text()))
    assert left_in("out") == ["a.mp4", "waiting"]
    if sent != signal.SIGKILL:
        assert process.returncode == 130
        assert err.splitlines()[-1].startswith("vrm: interrupted: 1 done, 2 left; ")
        assert [job["status"] for job in json.loads(Path("s.json").read_text())["jobs"]] == ["done", "left", "left"]


def test_a_process_ends_when_its_input_does_though_no_signal_arrives() -> None:
    *words, code = worker.command("vrm.batch.worker")
    words = [*words, f"import signal; signal.pthread_kill = lambda *_: None; {code}"]
    assert subprocess.run(words, stdin=subprocess.DEVNULL, timeout=60).returncode == 0


STAYS = """
import sys, time
sys.path[:0] = sys.argv[1:]
import stand_in
from vrm.batch.worker import main
from vrm.system import worker
worker.signal.pthread_kill = lambda *_: None
main()
time.sleep(600)
"""


def test_a_process_that_will_not_end_holds_nothing_up(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = (worker._ROOT, str(Path(__file__).parent))
    monkeypatch.setattr(local, "WORKER", (sys.executable, "-c", STAYS, *places))
    monkeypatch.setattr(worker, "PATIENCE", 0.5)
    assert remove(clips("a.mp4", "b.mp4"), Events()).count("done") == 2


def test_names_that_mean_something_to_glob(here: Path) -> None:
    Path("out").mkdir()
    for name in (".a[1].mp4.77.part", ".a1.mp4.77.part", ".a[1].mp4.78.part"):
        (here / "out" / name).touch()
    remove_partial(Path("out/a[1].mp4"), "77")
    assert left_in("out") == [".a1.mp4.77.part", ".a[1].mp4.78.part"]


def test_events_of_one_listener_carry_on_when_not_overridden(capfd: pytest.CaptureFixture[str]) -> None:
    events = Events()
    assert events.job(0, "a", "b") is events
    JsonEvents().job(3, "a", "b").note("hello")
    assert json.loads(capfd.readouterr().out.splitlines()[1]) == {"event": "note", "text": "hello", "job": 3}
