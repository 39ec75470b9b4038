import json
import weakref

import cv2
import numpy as np
import pytest

from vrm.errors import MaskError
from vrm.events import Events
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.motion.flow.warp import chained, looked_up, upsized
from vrm.options.remove import EngineOptions
from vrm.options.segment import SegmentOptions
from vrm.selection.labels.base import PanopticMap, Segment, from_classes
from vrm.selection.labels.dropouts import close_dropouts
from vrm.selection.labels.maps import LabelMaps
from vrm.selection.labels.segment_ids import SegmentIds
from vrm.selection.labels.taxonomy import CATEGORIES, VOID, taxonomy
from vrm.selection.labels.temporal_vote import TemporalVote, _elected
from vrm.selection.labels.video import segment
from vrm.types import Masks

from .scene import SIZE, Scene, similarity


class Oracle:
    """Knows the true labels, and forgets them where told to."""

    name, device, dtype = "oracle", "", ""
    taxonomy = taxonomy("coco-panoptic")

    def __init__(self, scene, wrong=None):
        self.scene, self.wrong, self.asked = scene, wrong or {}, []

    def label(self, frame, t=0):
        self.asked.append(t)
        labels = self.scene.labels[t].copy()
        labels[self.scene.masks[t]] = self.wrong.get(t, Scene.DOG)
        found = from_classes(labels)
        return PanopticMap(found.ids, tuple(Segment(s.id, s.label, 0.9) for s in found.segments))


def voted(scene, oracle, every=1, cuts=(0,)):
    vote = TemporalVote(oracle, every)
    out = [vote.segment_ids.classes(f.voted) for f in vote(enumerate(scene.frames), set(cuts))]
    return vote, out


def test_the_vote_mends_single_frames_and_lowers_flicker():
    scene = Scene(8)
    vote, out = voted(scene, Oracle(scene, {2: Scene.GRASS, 5: 17}))
    for t, classes in enumerate(out):
        assert similarity(classes == Scene.DOG, scene.masks[t]) > 0.85, t
        assert 17 not in classes
    assert vote.flicker.after < 0.3 * vote.flicker.before
    assert vote.flicker.before > 0.03


def test_thousands_of_things_keep_their_class():
    known = taxonomy("coco-panoptic")
    things = [i for i, thing in enumerate(known.things) if thing]
    segment_ids, stuff = SegmentIds(known), known.things.index(False)
    for t in range(300):
        ids = np.arange(6, dtype=np.int32).reshape(2, 3)
        labels = [things[(t + k) % len(things)] for k in range(4)] + [stuff]
        numbers, _ = segment_ids.assign(PanopticMap(ids, tuple(map(Segment, range(1, 6), labels))), None, None)
        assert numbers[0, 0] == 0
        assert numbers[1, 2] == 1 + stuff
        assert numbers.ravel()[1:5].tolist() == list(range(256 + 4 * t, 260 + 4 * t))
        assert segment_ids.classes(numbers).ravel().tolist() == [VOID, *labels]
        assert segment_ids.class_of(int(numbers[0, 1])) == labels[0]


def test_consistent_labels_are_left_alone():
    scene = Scene(6)
    vote, out = voted(scene, Oracle(scene))
    wrong = [float((classes != labels).mean()) for classes, labels in zip(out, scene.labels, strict=True)]
    assert max(wrong) < 0.02
    assert vote.flicker.after <= vote.flicker.before


@pytest.mark.parametrize("every", [2, 3, 5])
def test_every_nth_frame_is_labelled_and_motion_carries_the_rest(every):
    scene = Scene(8)
    oracle = Oracle(scene)
    _, out = voted(scene, oracle, every)
    assert oracle.asked == list(range(0, 8, every))
    assert len(out) == 8
    for t, classes in enumerate(out):
        assert similarity(classes == Scene.DOG, scene.masks[t]) > 0.8, t


def test_frames_that_wait_for_labels_hold_no_maps_of_full_size(monkeypatch):
    maps = []

    def kept(labels, flow, real=looked_up):
        found = real(labels, flow)
        if found.dtype == np.int32:
            maps.append(weakref.ref(found))
        return found

    monkeypatch.setattr("vrm.selection.labels.temporal_vote.looked_up", kept)
    scene = Scene(26, speed=1)
    most = 0
    for _ in TemporalVote(Oracle(scene), every=25)(enumerate(scene.frames), {0}):
        most = max(most, sum(one() is not None for one in maps))
    assert 0 < most <= 12


def test_nothing_is_carried_or_voted_over_a_cut():
    scene = Scene(6)
    other = Scene(6)
    for t in (3, 4, 5):
        scene.frames[t] = 255 - other.frames[t]
        scene.labels[t] = np.full(SIZE, 7, np.uint8)
        scene.masks[t] = np.zeros(SIZE, bool)
    oracle = Oracle(scene)
    _, out = voted(scene, oracle, every=4, cuts=(0, 3))
    assert oracle.asked == [0, 3]
    assert 7 not in out[2]
    assert (out[3] == 7).all()


def test_a_thing_keeps_its_number_and_stuff_has_one():
    scene = Scene(6)
    vote = TemporalVote(Oracle(scene))
    numbers = []
    for frame in vote(enumerate(scene.frames), {0}):
        numbers.append({int(n) for n in np.unique(frame.voted)})
    assert all(n == numbers[0] for n in numbers)
    assert {vote.segment_ids.class_of(n) for n in numbers[0]} == {Scene.DOG, Scene.GRASS, Scene.SKY}


def test_the_election_against_a_count_by_hand():
    random = np.random.default_rng(0)
    ids = random.integers(0, 6, (5, 200)).astype(np.int32)
    classes = np.array([VOID, 3, 3, 4, 4, 5], np.uint8)[ids]
    weights = random.uniform(0.1, 1, (5, 200))
    out = _elected(ids, classes, weights)
    for n in range(200):
        by_class, by_id = {}, {}
        for c, w in zip(classes[:, n], weights[:, n], strict=True):
            by_class[c] = by_class.get(c, 0) + w * (0.3 if c == VOID else 1)
        best = max(by_class, key=by_class.get)
        for i, c, w in zip(ids[:, n], classes[:, n], weights[:, n], strict=True):
            if c == best:
                by_id[i] = by_id.get(i, 0) + w
        assert out[n] == max(by_id, key=by_id.get)


def test_looking_up_along_flows():
    labels = np.arange(20, dtype=np.int32).reshape(4, 5) + 70_000
    right = np.zeros((4, 5, 2), np.float32)
    right[..., 0] = 1
    assert np.array_equal(looked_up(labels, right)[:, :4], labels[:, 1:])
    assert np.allclose(chained([right, right, right])[..., 0], 3)
    assert upsized(right, (8, 10)).shape == (8, 10, 2)
    assert np.allclose(upsized(right, (8, 10))[..., 0], 2)


def test_what_labels_miss_is_closed():
    scene = Scene(10)
    masks = Masks(SIZE, 10)
    for t in range(10):
        if t not in (0, 4, 5, 9):
            masks[t] = scene.masks[t]
    found = close_dropouts(masks, scene, [(0, 10)])
    for t in range(10):
        assert similarity(found.masks[t], scene.masks[t]) > 0.8, t
    assert "On 4 frames" in found.notes[0]
    whole = Masks.from_frames(scene.masks, SIZE)
    again = close_dropouts(whole, scene, [(0, 10)])
    assert again.notes == ()
    assert all(np.array_equal(again.masks[t], scene.masks[t]) for t in range(10))


def test_one_of_two_that_is_missed_is_closed():
    scene = Scene(6, speed=2, second=True)
    masks = Masks.from_frames(scene.masks, SIZE)
    for t in (2, 3):
        half = scene.masks[t].copy()
        half[:, 95:] = False
        masks[t] = half
    found = close_dropouts(masks, scene, [(0, 6)])
    assert min(similarity(found.masks[t], scene.masks[t]) for t in range(6)) > 0.85


@pytest.fixture
def clip(tmp_path):
    scene = Scene(6)
    scene.labels[3][scene.masks[3]] = Scene.GRASS
    return scene, scene.save(tmp_path / "clip"), scene.save_labels(tmp_path / "labels")


@pytest.mark.parametrize("video", [False, True])
def test_what_is_written(clip, tmp_path, video):
    scene, source, labels = clip
    out = tmp_path / "out"
    options = SegmentOptions(labels=labels, video=video, engine=EngineOptions(threads=1))
    report = segment(source, out, options, Events())
    assert report.frames == 6
    assert 0 < report.flicker_after < report.flicker_before
    maps = LabelMaps(out, probe(source))
    assert maps.taxonomy is taxonomy("coco-panoptic")
    assert similarity(maps(3) == Scene.DOG, scene.masks[3]) > 0.85
    assert [similarity(maps(t) == Scene.DOG, scene.masks[t]) > 0.9 for t in (0, 5)] == [True, True]
    record = json.loads((out / "segments" / "00000.json").read_text())["segments"]
    ids = cv2.imread(str(out / "segments" / "00000.png"), cv2.IMREAD_UNCHANGED)
    dog = next(s for s in record if s["class"] == "dog")
    ys, xs = np.nonzero(ids == dog["id"])
    box = [xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()]
    assert (dog["category"], dog["area"], dog["box"]) == ("animal", len(xs), box)
    assert sum(s["area"] for s in record) == ids.size
    if video:
        with Reader(probe(out / "categories.mkv")) as reader:
            categories = np.asarray(next(iter(reader.frames())).planes[0])
    else:
        from vrm.media.read.stills import read_index

        categories = read_index(out / "categories" / "00000.png")
    assert np.array_equal(categories, maps.taxonomy.table[maps(0)])
    assert categories[70, 50] == CATEGORIES.index("animal")
    assert probe(out / "preview.mp4").n_frames == 6
    about = json.loads((out / "labels.json").read_text())
    assert {row["class"] for row in about["seen"]} >= {"dog", "grass-merged", "sky-other-merged"}
    assert {row["class"]: row["spans"] for row in about["seen"]}["dog"] == [[0, 5]]
    assert "dog" in report.text()


def test_a_turned_video_is_labelled_as_it_is_displayed(make_video, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=(96, 128), rotation=90, frames=3)
    shown = np.full((128, 96), Scene.GRASS, np.uint8)
    shown[:20] = Scene.SKY
    (tmp_path / "labels").mkdir()
    for t in range(3):
        cv2.imwrite(str(tmp_path / "labels" / f"{t}.png"), shown)
    (tmp_path / "labels" / "labels.json").write_text('{"taxonomy": "coco-panoptic"}')
    out = tmp_path / "out"
    segment(source, out, SegmentOptions(labels=tmp_path / "labels", engine=EngineOptions(threads=1)), Events())
    from vrm.media.read.stills import read_index

    # The texture moves and these labels do not, so the vote shifts their border a little.
    assert (read_index(out / "classes" / "00001.png") == shown).mean() > 0.95
    assert LabelMaps(out, probe(source))(1).shape == (96, 128)
    assert probe(out / "preview.mp4").display_size == (128 + 26, 96)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: (d / "classes" / "00005.png").unlink(), "label maps of 5 frames, the video has 6"),
        (lambda d: cv2.imwrite(str(d / "classes" / "00002.png"), np.zeros((60, 88), np.uint8)), "is 88x60, but"),
        (lambda d: (d / "labels.json").unlink(), "holds the value 125, but categories has 8"),
        (lambda d: (d / "labels.json").write_text("no"), "cannot be read"),
        (lambda d: (d / "labels.json").write_text('{"taxonomy": "mine"}'), "names the taxonomy 'mine'"),
        (lambda d: cv2.imwrite(str(d / "classes" / "00000.png"), np.zeros((*SIZE, 3), np.uint8)), "colour or 16-bit"),
        (lambda d: [p.unlink() for p in (d / "classes").iterdir()], "holds no PNGs"),
    ],
)
def test_labels_that_do_not_fit(clip, tmp_path, damage, said):
    _, source, labels = clip
    damage(labels)
    with pytest.raises(MaskError, match=said):
        segment(source, tmp_path / "out", SegmentOptions(labels=labels), Events())
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_names_of_ones_own(clip, tmp_path):
    _, source, labels = clip
    (labels / "labels.json").write_text(json.dumps({"classes": [f"kind {i}" for i in range(126)]}))
    maps = LabelMaps(labels, probe(source))
    assert maps.taxonomy.find(["kind 16"]) == (16,)
    assert set(np.unique(maps(0))) == {16, 119, 125}
