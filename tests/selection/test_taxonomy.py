import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import vrm.selection.labels.taxonomy as tables
from vrm.errors import UsageError
from vrm.selection.labels.taxonomy import (
    CATEGORIES,
    ETC,
    TAXONOMIES,
    VOID,
    categories_only,
    listing,
    taxonomy,
    taxonomy_of,
)

COUNTS = {"coco-panoptic": 133, "coco-stuff": 171, "ade20k": 150}


@pytest.mark.parametrize("name", TAXONOMIES)
def test_every_class_is_assigned_once(name):
    rows = json.loads((Path(tables.__file__).parent / "data" / f"{name}.json").read_text())["classes"]
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names) == COUNTS[name]
    assert {row["category"] for row in rows} == set(CATEGORIES)
    assert all(set(row) == {"name", "category", "thing"} for row in rows)


@pytest.mark.parametrize(("name", "dataset"), [("coco-stuff", "COCOStuffDataset"), ("ade20k", "ADE20KDataset")])
def test_classes_stand_in_the_order_of_the_library_s_models(name, dataset):
    pytest.importorskip("mmseg")
    from vrm.selection.labels.openmmlab import allow_mmseg

    allow_mmseg()
    import mmseg.datasets

    theirs = getattr(mmseg.datasets, dataset).METAINFO["classes"]
    assert taxonomy(name).classes == tuple(label.strip() for label in theirs)


def test_the_counts_of_the_published_grouping():
    counts = Counter(CATEGORIES[c] for c in taxonomy("coco-panoptic").categories)
    expected = {"person": 1, "animal": 10, "vehicle": 8, "sports": 10, "plants": 4}
    assert counts == expected | {"plain": 17, "patterned": 18, "etc": 65}
    assert sum(taxonomy("coco-panoptic").things) == 80


@pytest.mark.parametrize("name", ["coco-stuff", "ade20k"])
def test_names_that_taxonomies_share_have_one_category(name):
    coco, other = taxonomy("coco-panoptic"), taxonomy(name)
    ours = {c.removesuffix("-merged"): k for c, k in zip(coco.classes, coco.categories, strict=True)}
    shared = [(c, k) for c, k in zip(other.classes, other.categories, strict=True) if c in ours]
    assert len(shared) > 20
    assert [c for c, k in shared if ours[c] != k] == []


def test_table_and_palette_cover_every_byte():
    coco = taxonomy("coco-panoptic")
    assert coco.table.shape == (256,)
    assert coco.table[VOID] == ETC
    assert coco.table[coco.find(["dog"])[0]] == CATEGORIES.index("animal")
    assert np.array_equal(coco.palette[VOID], [0, 0, 0])
    assert len({tuple(row) for row in coco.palette[:133].tolist()}) > 100


def test_words_of_the_command_line():
    coco = taxonomy("coco-panoptic")
    assert [coco.classes[i] for i in coco.find(["Person", "car"])] == ["person", "car"]
    assert [coco.classes[i] for i in coco.find(["tree", "sky"])] == ["tree-merged", "sky-other-merged"]
    assert len(coco.find(["animal"])) == 10
    assert [coco.classes[i] for i in coco.find(["sports_ball"])] == ["sports ball"]


def test_an_unknown_class_names_the_nearest_and_where_to_find_all():
    with pytest.raises(UsageError, match=r"--class persn is no class.*person.*vrm segment --classes coco-panoptic"):
        taxonomy("coco-panoptic").find(["persn"])
    own = taxonomy_of(["bird", "water"], "mine")
    with pytest.raises(UsageError, match=r"is no class of mine. Nearest: bird. It has: bird, water\.$"):
        own.find(["brid"])
    with pytest.raises(UsageError, match=r"c39 and 20 more\.$"):
        taxonomy_of([f"c{i}" for i in range(60)], "long").find(["unheard of"])


def test_a_models_own_order_is_translated_by_name():
    coco = taxonomy("coco-panoptic")
    own = ("void", *reversed(coco.classes))
    table = coco.translate(own)
    assert table[0] == VOID
    assert [coco.classes[i] for i in table[1:134]] == list(reversed(coco.classes))
    with pytest.raises(ValueError, match="0 of 3"):
        coco.translate(("alpha", "beta", "gamma"))


def test_a_list_of_names_becomes_a_taxonomy():
    assert taxonomy_of(taxonomy("ade20k").classes, "x") is taxonomy("ade20k")
    own = taxonomy_of(["dog", "tree", "unheard of"], "mine")
    assert [CATEGORIES[c] for c in own.categories] == ["animal", "plants", "etc"]
    assert categories_only().find(["vehicle"]) == (2,)


def test_the_listing_holds_every_class():
    text = listing("ade20k")
    assert all(name in text for name in taxonomy("ade20k").classes)
