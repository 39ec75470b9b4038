"""Training SAVIT: every configuration learns, and a training can be interrupted, resumed and shared."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vrm.cli.main import run
from vrm.errors import OutputError, UsageError, VideoError, WeightsError
from vrm.media.read.stills import read_image
from vrm.media.write.png import write_png
from vrm.nets.savit.model import ABLATIONS, Savit, SavitConfig
from vrm.options.remove import EngineOptions
from vrm.system.device import choose
from vrm.train.data.clips import ClipDataset, PictureDataset, find_clips
from vrm.train.savit_config import SavitTraining
from vrm.train.savit_trainer import SavitBatch, SavitTrainer
from vrm.train.warm_start import warm_start
from vrm.weights.cards import find, write

ROOT = Path(__file__).parents[2]
CONFIG = """
base = "{base}"
[network]
width = 16
inner = 49
heads = 2
blocks = 5
base = 4
[training]
size = [32, 48]
frames = 3
batch = 2
steps = {steps}
rate = 1e-3
patch_base = 2
workers = 0
log_every = 1
look_every = 2
save_every = 2
looks = 2
"""


def drawn(folder, clips=3, frames=6):
    """Clips of moving squares on colour, with their label maps."""
    rng = np.random.default_rng(0)
    for c in range(clips):
        path, labels = folder / f"clip{c}", folder / "labels" / f"clip{c}"
        path.mkdir(parents=True)
        labels.mkdir(parents=True)
        colour = rng.integers(0, 256, 3)
        for t in range(frames):
            image = np.zeros((40, 60, 3), np.uint8) + colour.astype(np.uint8)
            index = np.full((40, 60), 5, np.uint8)
            image[10:25, 5 + 4 * t : 25 + 4 * t] = 255 - colour
            index[10:25, 5 + 4 * t : 25 + 4 * t] = c
            write_png(path / f"{t:03d}.png", image)
            write_png(labels / f"{t:03d}.png", index)
    return folder


@pytest.fixture
def data(tmp_path):
    return drawn(tmp_path / "data")


def config(tmp_path, base="E", steps=4):
    path = tmp_path / f"{base}-{steps}.toml"
    path.write_text(CONFIG.format(base=base, steps=steps))
    return path


def train(data, out, config, *more):
    words = ["train", "savit", data, "-o", out, "--licence", "CC0-1.0", "--config", config]
    return run([str(w) for w in (*words, "--device", "cpu", "--dtype", "fp32", "--threads", "1", *more)])


def trainer_for(settings):
    return SavitTrainer(settings, choose(EngineOptions(device="cpu", dtype="fp32", threads=1)))


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_row_of_the_tables_trains_a_step(name, tmp_path, data):
    torch.manual_seed(0)
    settings = SavitTraining.read(str(config(tmp_path, name)))
    labels = data / "labels" if settings.network.experts else None
    dataset = ClipDataset(find_clips(data, labels, 3), settings.size, 3, 0, tmp_path)
    trainer = trainer_for(settings)
    before = {k: v.clone() for k, v in trainer.net.state_dict().items()}
    terms = trainer.step(SavitBatch.of([dataset.sample(i) for i in range(2)], torch.device("cpu")))
    assert ("classes" in terms) == settings.network.classify
    assert ("sad fooled" in terms) == (settings.semantic > 0)
    assert {"pixels", "patch tells", "patch fooled", "total"} <= set(terms)
    weights = (settings.adversarial, settings.classification, settings.semantic)
    parts = (terms["patch fooled"], terms.get("classes", 0), terms.get("sad fooled", 0))
    assert terms["total"] == pytest.approx(
        terms["pixels"] + sum(w * p for w, p in zip(weights, parts, strict=True)), abs=1e-5
    )
    after = trainer.net.state_dict()
    still = [k for k, v in after.items() if torch.equal(v, before[k])]
    # Offsets start at nothing, so what leads up to them learns from the second step on.
    still = [k for k in still if ".offsets." not in k]
    assert all("router" in k for k in still) if name == "random" else not still, still


def test_the_generator_learns_to_paint(tmp_path, data):
    torch.manual_seed(0)
    settings = replace(SavitTraining.read(str(config(tmp_path, "D"))), rate=2e-3)
    dataset = ClipDataset(find_clips(data, data / "labels", 3), settings.size, 3, 0, tmp_path)
    trainer = trainer_for(settings)
    batch = SavitBatch.of([dataset.sample(i) for i in range(2)], torch.device("cpu"))
    terms = [trainer.step(batch) for _ in range(25)]
    assert terms[-1]["pixels"] < 0.8 * terms[0]["pixels"]
    assert terms[-1]["classes"] < 0.8 * terms[0]["classes"]


def test_from_clips_to_weights_that_fill(tmp_path, data):
    out = tmp_path / "out"
    assert train(data, out, config(tmp_path), "--name", "mine", "--held-out", "clip2") == 0
    card, _ = find(str(out / "mine.safetensors"), "savit")
    assert SavitConfig.from_settings(card.settings).semantic_blocks == (3,)
    assert "clip0, clip1; held out: clip2" in card.data
    rows = list(csv.DictReader((out / "log.csv").open()))
    assert {r["what"] for r in rows} >= {"pixels", "classes", "sad tells", "held-out hole PSNR"}
    assert [int(r["step"]) for r in rows if r["what"] == "held-out frame PSNR"] == [0, 2, 4]
    assert read_image(out / "samples" / "0000004.png").shape == (3 * 32, 3 * 48, 3)
    assert train(data, out, config(tmp_path), "--name", "mine") == 8, "nothing is overwritten"
    assert train(data, out, config(tmp_path), "--name", "other") == 8, "a training is there"


def test_a_resumed_training_gives_the_same_weights(tmp_path, data):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(data, whole, config(tmp_path)) == 0
    assert train(data, parts, config(tmp_path, steps=2), "--name", "half") == 0
    assert train(data, parts, config(tmp_path, steps=4), "--resume") == 0
    assert (whole / "own.safetensors").read_bytes() == (parts / "own.safetensors").read_bytes()
    assert train(data, tmp_path / "none", config(tmp_path), "--resume") == 2
    assert train(data, parts, config(tmp_path, "D"), "--resume", "--name", "third") == 5, "another configuration"


def test_an_average_is_kept_where_it_is_asked_for(tmp_path, data):
    settings = replace(SavitTraining.read(str(config(tmp_path, "A"))), average=0.5)
    trainer = trainer_for(settings)
    dataset = ClipDataset(find_clips(data, None, 3), settings.size, 3, 0, tmp_path)
    for i in range(3):
        trainer.step(SavitBatch.of([dataset.sample(2 * i), dataset.sample(2 * i + 1)], torch.device("cpu")))
    own, best = trainer.net.state_dict(), trainer.averaged().state_dict()
    assert own.keys() == best.keys()
    assert any(not torch.equal(own[k], best[k]) for k in own)
    again = trainer_for(settings)
    again.load_state_dict(trainer.state_dict())
    assert all(torch.equal(again.averaged().state_dict()[k], best[k]) for k in best)


TWO = """
import torch
from vrm.train.distributed import Processes
processes = Processes.joined()
torch.manual_seed(processes.rank)
net = torch.nn.Linear(2, 1)
own = net.weight.detach().tolist()
processes.share(net)
net(torch.tensor([[1.0, 2.0]]) * (processes.rank + 1)).sum().backward()
processes.average(net)
print(processes.count, own, net.weight.tolist(), net.weight.grad.tolist(), flush=True)
processes.leave()
"""


def test_two_processes_share_weights_and_average_gradients():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in range(2):
        env = {**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "PYTHONPATH": str(ROOT),
               "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
        started.append(subprocess.Popen([sys.executable, "-c", TWO], env=env, stdout=subprocess.PIPE, text=True))
    first, second = (
        [json.loads(part) for part in re.findall(r"\[\[.*?\]\]|^\d", p.communicate(timeout=120)[0])] for p in started
    )
    assert first[0] == second[0] == 2
    assert first[1] != second[1]
    assert first[2] == second[2] == first[1]
    assert first[3] == second[3] == [[1.5, 3.0]]


def test_the_backbone_starts_savit(tmp_path):
    torch.manual_seed(0)
    small = {"width": 32, "inner": 49, "heads": 2, "blocks": 4, "base": 4, "field": (8, 12)}
    plain = Savit(SavitConfig(**small, experts=0, semantic_blocks=(), classify=False)).eval()
    with torch.no_grad():
        for p in plain.parameters():
            p.mul_(3) if p.dim() > 1 else p.normal_(0, 0.05)
    write(plain.state_dict(), tmp_path, name="plain", licence="MIT", network="savit", settings=plain.config.settings())
    warm = Savit(SavitConfig(**small)).eval()
    cold = Savit(SavitConfig(**small)).eval()
    said = warm_start(warm, str(tmp_path / "plain.safetensors"))
    assert "router" in said
    assert "classifiers.0.weight" in said
    frames, labels = torch.rand(1, 2, 3, 32, 48), torch.randint(0, 8, (1, 2, 32, 48))
    with torch.no_grad():
        expected = plain(frames).frames
        found, other = (net(frames, labels).frames for net in (warm, cold))
    assert (found - expected).abs().mean() < 0.1 * (other - expected).abs().mean()
    with pytest.raises(WeightsError, match="does not fit"):
        warm_start(Savit(SavitConfig(**{**small, "width": 64})), str(tmp_path / "plain.safetensors"))


def test_layouts_of_the_data_sets(tmp_path):
    for place in ("train_all_frames/JPEGImages", "JPEGImages/480p"):
        root = tmp_path / place.replace("/", "-")
        drawn(root / place, clips=2)
        assert [c.name for c in find_clips(root, root / place / "labels", 5)] == ["clip0", "clip1"]


def test_cases_are_trained_on_by_their_truth_not_by_frames_with_holes(tmp_path):
    """``vrm evaluate cases`` writes NAME/{frames,masks,truth}; without a truth the frames are whole."""
    for name, kinds in (("ape", ("frames", "masks", "truth")), ("bee", ("frames", "masks"))):
        for kind in kinds:
            (tmp_path / "cases" / name / kind).mkdir(parents=True)
            for t in range(3):
                colour = {"frames": 128, "masks": 255, "truth": 40}[kind]
                write_png(tmp_path / "cases" / name / kind / f"{t:05d}.png", np.full((16, 24, 3), colour, np.uint8))
    (tmp_path / "cases" / "protocol.json").write_text("{}")
    found = {clip.name: clip.path.name for clip in find_clips(tmp_path / "cases", least=3)}
    assert found == {"ape": "truth", "bee": "frames"}
    pictures = PictureDataset(tmp_path / "cases", 16, tmp_path / "decoded")
    assert [int(pictures[k][0].max()) for k in range(2)] == [40, 128]
    one = tmp_path / "one"
    one.mkdir()
    (tmp_path / "cases" / "ape").rename(one / "ape")
    assert ClipDataset(find_clips(one, least=3), (16, 24), 3, 0, tmp_path).sample(0).frames.max() == 40


def test_videos_are_decoded_once(tmp_path, make_video):
    (tmp_path / "data").mkdir()
    make_video(tmp_path / "data" / "a.mp4", frames=8)
    dataset = ClipDataset(find_clips(tmp_path / "data", None, 5), (32, 48), 5, 0, tmp_path / "decoded")
    sample = dataset.sample(0)
    assert sample.frames.shape == (5, 32, 48, 3)
    (file,) = (tmp_path / "decoded").iterdir()
    assert re.fullmatch(r"a-48x32-[0-9a-f]{12}\.rgb", file.name)
    before = file.stat().st_mtime_ns
    assert np.array_equal(dataset.sample(0).frames, sample.frames)
    assert file.stat().st_mtime_ns == before


def test_two_videos_of_one_stem_are_two(tmp_path, make_video):
    (tmp_path / "data").mkdir()
    make_video(tmp_path / "data" / "a.mp4", frames=6)
    make_video(tmp_path / "data" / "a.mkv", frames=8)
    clips = find_clips(tmp_path / "data", None, 5)
    lengths = [len(ClipDataset([clip], (32, 48), 5, 0, tmp_path / "decoded")._decoded(clip)) for clip in clips]
    assert sorted(lengths) == [6, 8]


def test_workers_that_decode_the_same_video_at_once_do_not_meet(tmp_path, make_video):
    (tmp_path / "data").mkdir()
    make_video(tmp_path / "data" / "a.mp4", frames=30)
    (clip,) = find_clips(tmp_path / "data", None, 5)

    def read(_):
        return ClipDataset([clip], (32, 48), 5, 0, tmp_path / "decoded").sample(0).frames

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(read, range(8)))
    assert all(np.array_equal(frames, found[0]) for frames in found)
    assert len(list((tmp_path / "decoded").iterdir())) == 1, "nothing half-made stays"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_clip_that_breaks_is_one_clear_line(data, tmp_path, capsys, workers):
    (tmp_path / "c.toml").write_text(
        CONFIG.format(base="fuseformer", steps=2).replace("workers = 0", f"workers = {workers}")
    )
    for path in [*(data / "clip0").glob("*.png"), *(data / "clip2").glob("*.png")]:
        path.write_bytes(path.read_bytes()[:60])
    words = ["--licence", "CC0-1.0", "--config", tmp_path / "c.toml", "--held-out", "clip1", "--device", "cpu"]
    assert run([str(w) for w in ["train", "savit", data, "-o", tmp_path / "out", *words]]) == VideoError.exit_code
    said = capsys.readouterr().err
    assert re.search(r"clip[02]/\d+\.png", said.replace("\n", ""))
    assert "Traceback" not in said


def test_what_cannot_be_trained_is_refused(tmp_path, data):
    write_png(data / "labels" / "clip1" / "999.png", np.zeros((40, 60), np.uint8))
    with pytest.raises(UsageError, match=r"7 label maps, the clip 6 frames.*vrm segment"):
        find_clips(data, data / "labels", 3)
    with pytest.raises(UsageError, match="no clip of at least 7"):
        find_clips(data, None, 7)
    with pytest.raises(UsageError, match="not a folder"):
        find_clips(data / "none", None, 3)
    bad = tmp_path / "bad.toml"
    for text, words in (
        ("[network]\nwidht = 3", "cannot be built"),
        ("[training]\nstep = 3", "knows no 'step'"),
        ("[nets]", "holds 'nets'"),
        ('base = "Z"', "no configuration 'Z'"),
        ("[training]\nsize = [30, 48]", "multiples of 4"),
        ("[training]\nsize =", "cannot be read"),
        ("[network]\nsemantic_blocks = [8]", "no block 8"),
        ("[training]\nclassification = 0.0", "classifies"),
        ('[training]\nsteps = "many"', r"\[training\] steps is 'many'. It must be a whole number"),
        ("[training]\nsteps = 1.5", "steps is 1.5"),
        ("[training]\nrate = true", "rate is True. It must be a number"),
        ("[training]\nsize = 240", "size is 240. It must be a list of 2 whole numbers"),
        ("[training]\nsize = [240]", "a list of 2 whole numbers"),
        ('[training]\nsize = ["a", 48]', "a list of 2 whole numbers"),
        ('[network]\nwidth = "wide"', r"\[network\] width is 'wide'"),
        ("[network]\nsemantic_blocks = [1.5]", "a list of whole numbers"),
        ('[network]\nclassify = "no"', "true or false"),
        ("base = 3", "base is 3. It must be text"),
        ("training = 3", "It must be a table"),
    ):
        bad.write_text(text)
        with pytest.raises(UsageError, match=words):
            SavitTraining.read(str(bad))
    assert OutputError.exit_code == 8


def test_the_papers_schedule_is_the_default():
    paper = SavitTraining.read("savit")
    assert (paper.steps, paper.drop_at, paper.rate, paper.drop_to, paper.batch, paper.frames) == (
        500_000,
        400_000,
        1e-4,
        0.1,
        8,
        5,
    )
    assert (paper.adversarial, paper.classification, paper.semantic, paper.size) == (0.01, 0.01, 0.001, (240, 432))
    assert SavitTraining.read(str(ROOT / "examples" / "savit.toml")) == paper
    small = SavitTraining.read("small")
    with torch.device("meta"):
        assert sum(p.numel() for p in Savit(small.network).parameters()) <= 8_000_000


def test_clips_without_labels_are_labelled_once_beside_the_data(data, tmp_path, capsys):
    pytest.importorskip("transformers")
    from selection.models import mask2former

    shutil.rmtree(data / "labels" / "clip0")
    shutil.rmtree(data / "labels" / "clip2")
    kept = (data / "labels" / "clip1" / "000.png").stat().st_mtime_ns
    words = ["--segmenter", mask2former(tmp_path / "model"), "--name"]
    assert train(data, tmp_path / "one", config(tmp_path, steps=1), *words, "one") == 0
    said = "".join(capsys.readouterr())
    assert len(list((data / "labels" / "clip2" / "categories").glob("*.png"))) == 6
    assert (data / "labels" / "clip1" / "000.png").stat().st_mtime_ns == kept
    assert "2 of 2" in said
    assert train(data, tmp_path / "two", config(tmp_path, steps=1), *words, "two") == 0
    assert "Labelling" not in "".join(capsys.readouterr())
    assert train(data, tmp_path / "three", config(tmp_path, "fuseformer", 1), *words, "three") == 2


def test_label_maps_as_vrm_segment_writes_them(data):
    for clip in (data / "labels").iterdir():
        inner = clip / "categories"
        inner.mkdir()
        for path in clip.glob("*.png"):
            path.rename(inner / path.name)
    assert all(len(clip.labels) == 6 for clip in find_clips(data, data / "labels", 3))
