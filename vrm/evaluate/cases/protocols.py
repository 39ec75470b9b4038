"""Published protocols of making test cases, as data: which frames, which size, which holes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from vrm.errors import UsageError


def _clip_list(file: str) -> tuple[str, ...]:
    return tuple(files(__package__).joinpath(file).read_text(encoding="utf-8").split())


DAVIS_50 = _clip_list("davis_2016.txt")
"""The clips of DAVIS 2016 (3,455 frames), on which STTN's followers measure."""
YOUTUBE_VOS_TEST = _clip_list("youtube_vos_test.txt")
"""The 508 videos of YouTube-VOS's test set, by their folders in ``test_all_frames/JPEGImages``."""


@dataclass(frozen=True)
class Protocol:
    """How cases are made.

    Attributes:
        holes: "box" (a quarter of width and height, in the middle), "shuffled" (another clip's masks), "still" or
            "moving" (a free-form blob for each clip), "own" (the clip's own masks are holes in known pixels),
            "object" (the clip's own masks mark what is to be removed; there is no truth), "guided" (an image and
            synthetic views of it, each with a hole), "laid" (another clip's object, laid over the frames, is to be
            removed), "crossing" (another clip's masks pass over the clip's own object).
        source: who published it.
        size: ``(height, width)`` of the cases; None = the clips' own.
        cover: frames are resized to cover the size, and their middle is taken; False = stretched.
        resample: "area" or "bicubic" (as Pillow does it).
        grow: how the hole is dilated: "" = not, "ellipse" = once by 9x9, "cross" = four times by 3x3.
        clips: the clips it is defined on; empty = any.
        missing_is_black: in the masks that are read.
        share: of the frame that a still hole covers, not grown; 0 = as it is drawn.
        effect: what an object that is laid over the frames does to the light around it.
    """

    name: str
    what: str
    holes: Literal["box", "shuffled", "still", "moving", "own", "object", "guided", "laid", "crossing"]
    source: str
    size: tuple[int, int] | None = (240, 432)
    cover: bool = False
    resample: Literal["area", "bicubic"] = "area"
    grow: Literal["", "ellipse", "cross"] = ""
    clips: tuple[str, ...] = ()
    missing_is_black: bool = False
    share: float = 0.0
    effect: Literal["shadow", "reflection"] = "shadow"


_OUYANG = "Ouyang et al. 2021, Table 1"
_STTN = "STTN, FuseFormer, E2FGVI, SAVIT (Table 1)"
_ALL = (
    Protocol("fixed", "A box of a quarter of width and height in the middle of every frame.", "box", _OUYANG),
    Protocol("object", "Another clip's object masks, grown by 4 pixels, over known pixels.", "shuffled", _OUYANG,
        grow="ellipse"),
    Protocol("crossing", "Another clip's object masks pass over the clip's own object; thing/ is what they hide of it.",
        "crossing", "vrm's own"),
    Protocol("sttn", "The 50 clips of DAVIS 2016, one still free-form hole each.", "still", _STTN,
        resample="bicubic", grow="cross", clips=DAVIS_50),
    Protocol("youtube-vos", "The 508 test videos of YouTube-VOS, one still free-form hole each.", "still", _STTN,
        resample="bicubic", grow="cross", clips=YOUTUBE_VOS_TEST),
    Protocol("freeform-still", "One still free-form hole for each clip.", "still", "as STTN trains", grow="cross"),
    Protocol("ratio-30", "A still free-form hole over 30% of the frame.", "still", "SAVIT, Table 6", share=0.3),
    Protocol("ratio-60", "A still free-form hole over 60% of the frame.", "still", "SAVIT, Table 6", share=0.6),
    Protocol("freeform-moving", "One drifting free-form hole for each clip.", "moving", "as STTN trains", grow="cross"),
    Protocol("devil", "DEVIL's clips and masks (0 = missing), resized to cover 832x480.", "own",
        "Szeto and Corso 2021; keyframe propagation, Table 3",
        size=(480, 832), cover=True, resample="bicubic", missing_is_black=True),
    Protocol("guided", "Single images with synthetic views of them as keyframes; only the image itself is scored.",
        "guided", "Esser et al. 2022, Tables 2 and 4", size=(256, 256), cover=True),
    Protocol("removal", "The clips' own objects are removed. No truth: consistency, borders and pictures only.",
        "object", "object removal, as shown in all three papers", size=None),
    Protocol("shadows", "Another clip's object, laid over the frames with a shadow that it casts; effect/ says where.",
        "laid", "vrm's own"),
    Protocol("reflections", "The same with its reflection below it.", "laid", "vrm's own", effect="reflection"),
    Protocol("pairs", "Your own: NAME/{frames,masks,truth}, taken as they are.", "own", "your clips", size=None),
)  # fmt: skip
PROTOCOLS = {p.name: p for p in _ALL}


def find_protocol(name: str) -> Protocol:
    if name not in PROTOCOLS:
        raise UsageError(f"--protocol {name} is unknown.", f"Choose from: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
