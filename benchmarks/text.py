"""Text laid over clips, strokes and times known: how much of it ``--text`` finds, how thin the hole is, what is left.

    python benchmarks/text.py CLIPS... --out FOLDER [--crf 18 28] [--styles outline box ...] [--fill]

Each clip (a folder with frames/, or a video file) gets each style in turn, is encoded as H.264, and goes through
``vrm track --text``; with ``--fill`` through ``vrm remove`` too, once with the mask of strokes and once with the boxes.
``bound`` is the PSNR with the truth in the hole and the decoded frame around it: what coding leaves to be reached.
Fonts: those of ``fc-list`` that hold the script; a style whose script has no font here is left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

import vrm
from vrm.media.write.png import write_png

TEXTS = {
    "latin": ("en", "- Are you sure about it?"),
    "cyrillic": ("ru", "Подождите до утра"),
    "arabic": ("ar", "مرحبا بكم في بيتنا"),
    "cjk": ("zh-cn", "请等到明天早上再走"),
}
SHOWN = 0.06
"""A pixel belongs to the text from this opacity on."""


@dataclass(frozen=True)
class Style:
    """How a line looks and behaves.

    Attributes:
        fill, outline, shadow, box: RGBA, None where there is none.
        fade: frames in which it comes and goes.
        speed: pixels up per frame.
        sung: the colour that sweeps over the line (karaoke).
        always: it stands on all frames.
    """

    script: str = "latin"
    weight: str = "bold"
    size: float = 0.07
    fill: tuple[int, ...] = (255, 255, 255, 255)
    outline: tuple[int, ...] | None = (0, 0, 0, 255)
    shadow: tuple[int, ...] | None = None
    box: tuple[int, ...] | None = None
    fade: int = 0
    speed: float = 0.0
    sung: tuple[int, ...] | None = None
    always: bool = False


STYLES = {
    "outline": Style(),
    "yellow": Style(fill=(255, 230, 40, 255), weight="regular", size=0.055),
    "shadow": Style(outline=None, shadow=(0, 0, 0, 200)),
    "box": Style(outline=None, box=(0, 0, 0, 255), weight="regular"),
    "half box": Style(outline=None, box=(0, 0, 0, 120), weight="regular"),
    "semi": Style(fill=(255, 255, 255, 140), outline=None),
    "fade": Style(fade=10),
    "karaoke": Style(sung=(255, 80, 60, 255)),
    "rolling": Style(speed=2.0, size=0.06),
    "cyrillic": Style("cyrillic"),
    "arabic": Style("arabic", weight="regular", size=0.08),
    "cjk": Style("cjk", weight="regular", size=0.075),
    "date": Style(size=0.05, weight="regular", outline=None, fill=(255, 160, 30, 255), always=True),
}


def font_file(language: str, weight: str) -> str | None:
    """A font of this machine that holds a language: sans serif, bold or regular."""
    families = {"zh-cn": ":lang=zh-cn"}.get(language, f"DejaVu Sans:lang={language}")
    style = "Bold" if weight == "bold" else "Book"
    wanted = families if language == "zh-cn" else f"{families}:style={style}"
    found = subprocess.run(["fc-list", wanted, "file"], capture_output=True, text=True, check=False).stdout
    return next((line.partition(":")[0] for line in sorted(found.splitlines())), None)


@dataclass
class Overlay:
    """A line of text on a video of ``n`` frames of a size: its layer on each frame.

    Attributes:
        first, last: the frames that show it, both included.
        mask: its pixels, bool ``(h, w)``, where it stands at ``first`` (or would, before it rolls).
        box: around them.
    """

    style: Style
    size: tuple[int, int]
    n: int
    first: int = field(init=False)
    last: int = field(init=False)

    def __post_init__(self) -> None:
        s = self.style
        self.first, self.last = (0, self.n - 1) if s.always else (self.n // 6 + 1, self.n - self.n // 6 - 2)
        if s.speed:
            self.first, self.last = 0, self.n - 1
        language, self.text = TEXTS[s.script]
        name = font_file(language, s.weight)
        if name is None:
            raise LookupError(f"no font holds {language}")
        self._font = ImageFont.truetype(name, max(10, round(s.size * self.size[0])))
        if s.always:
            self.text = "2024-11-30 16:53"
        self._layers = {0: self._drawn(s.fill)}
        self.mask = self._layers[0][..., 3] >= SHOWN
        rows, cols = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        self.box = int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1

    def _drawn(self, fill: tuple[int, ...]) -> np.ndarray:
        s, (h, w) = self.style, self.size
        stroke = max(1, round(0.045 * self._font.size)) if s.outline else 0
        draw = ImageDraw.Draw(picture := Image.new("RGBA", (w, h), (0, 0, 0, 0)))
        x0, y0, x1, y1 = draw.textbbox((0, 0), self.text, font=self._font, stroke_width=stroke)
        x, y = (w - x1 + x0) // 2 - x0, round(0.93 * h) - y1
        if s.always:
            x, y = w - x1 - round(0.04 * w), round(0.05 * h) - y0
        if s.speed:
            y = round(0.8 * h) - y1
        out = picture
        if s.box is not None:
            pad = round(0.3 * self._font.size)
            draw.rectangle((x + x0 - pad, y + y0 - pad, x + x1 + pad, y + y1 + pad), fill=s.box)
        if s.shadow is not None:
            off = max(2, round(0.07 * self._font.size))
            draw.text((x + off, y + off), self.text, font=self._font, fill=s.shadow)
            out = picture.filter(ImageFilter.GaussianBlur(off / 2))
        text = Image.new("RGBA", (w, h), (0, 0, 0, 0))
        ImageDraw.Draw(text).text(
            (x, y), self.text, font=self._font, fill=fill, stroke_width=stroke, stroke_fill=s.outline
        )
        return np.asarray(Image.alpha_composite(out, text), np.float32) / 255

    def layer(self, t: int) -> np.ndarray | None:
        """RGBA 0..1 of frame t, not premultiplied; None where it is not there."""
        s = self.style
        if not self.first <= t <= self.last:
            return None
        layer = self._layers[0]
        if s.sung is not None:
            sung = self._layers.setdefault(1, self._drawn(s.sung))
            along = (t - self.first) / max(1, self.last - self.first)
            edge = round(self.box[1] + along * (self.box[3] - self.box[1]))
            layer = np.concatenate([sung[:, :edge], layer[:, edge:]], 1)
        if s.fade:
            share = min(1.0, (t - self.first + 1) / s.fade, (self.last - t + 1) / s.fade)
            layer = layer * np.array([1, 1, 1, share], np.float32)
        if s.speed:
            layer = self._moved(layer, t)
        return layer

    def mask_at(self, t: int) -> np.ndarray:
        if not self.first <= t <= self.last:
            return np.zeros(self.size, bool)
        return np.asarray(self._moved(self.mask.astype(np.float32), t) > 0) if self.style.speed else self.mask

    def _moved(self, picture: np.ndarray, t: int) -> np.ndarray:
        by = round(-self.style.speed * t)
        out = np.zeros_like(picture)
        out[: picture.shape[0] + by] = picture[-by:] if by else picture
        return out


def over(frame: np.ndarray, layer: np.ndarray | None) -> np.ndarray:
    if layer is None:
        return frame
    alpha = layer[..., 3:]
    return np.asarray(np.rint(frame * (1 - alpha) + 255 * layer[..., :3] * alpha), np.uint8)


def frames_of(clip: Path, most: int) -> list[np.ndarray]:
    """RGB frames of a clip; sides made even, at most 854 long."""
    folder = clip / "frames"
    if folder.is_dir():
        read: Iterator[np.ndarray] = (cv2.imread(str(p))[..., ::-1] for p in sorted(folder.iterdir()))
    else:
        path = clip if clip.is_file() else next(p for p in sorted(clip.iterdir()) if p.suffix in (".mp4", ".avi"))
        read = (f.to_ndarray(format="rgb24") for f in av.open(str(path)).decode(video=0))
    out = []
    for frame in read:
        scale = min(1.0, 854 / max(frame.shape[:2]))
        h, w = (int(side * scale) // 2 * 2 for side in frame.shape[:2])
        out.append(cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA) if scale < 1 else frame[:h, :w])
        if len(out) == most:
            break
    return out


def encode(frames: list[np.ndarray], path: Path, crf: int | None) -> None:
    """H.264 4:2:0 at a quality, or lossless FFV1."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264" if crf is not None else "ffv1", rate=Fraction(24))
        stream.width, stream.height = frames[0].shape[1], frames[0].shape[0]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(crf)} if crf is not None else {}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]


@dataclass
class Row:
    """What came of one overlay: see the columns of ``HEAD``."""

    clip: str
    style: str
    crf: int
    recall: float
    ratio: float
    first: int
    last: int
    told: bool
    wrong: int
    strokes: float = float("nan")
    boxed: float = float("nan")
    bound: float = float("nan")

    def text(self) -> str:
        return (
            f"{self.clip:24s} {self.style:9s} {self.crf:3d} {self.recall:6.3f} {self.ratio:5.2f} {self.first:+4d} "
            f"{self.last:+4d} {'' if self.told else 'box':4s}{self.wrong:2d} "
            f"{self.strokes:6.2f} {self.boxed:6.2f} {self.bound:6.2f}"
        )


HEAD = f"{'clip':24s} {'style':9s} crf recall ratio first last    wrong strokes   box  bound"


def measure(base: list[np.ndarray], overlay: Overlay, video: Path, work: Path, fill: bool, row: Row) -> None:
    """Find and mask the text of ``video``, and with ``fill`` remove it, by strokes and by its box."""
    masks = work / "masks"
    vrm.track_masks(video, masks, text=True, threads=1, overwrite=True)
    found = [cv2.imread(str(p), 0) > 127 for p in sorted(masks.glob("*.png"))]
    lines = json.loads((masks / "text.json").read_text())
    y0, x0, y1, x1 = overlay.box
    hits, total, area, wrong = 0, 0, 0, 0
    shown = []
    for t, mask in enumerate(found):
        truth = overlay.mask_at(t)
        near = cv2.dilate(truth.astype(np.uint8), np.ones((41, 41), np.uint8)) > 0
        wrong += bool((mask & ~near).sum() > 20)
        if (mask & near).any():
            shown.append(t)
        hits, total = hits + int((mask & truth).sum()), total + int(truth.sum())
        area += int((mask & near).sum()) if overlay.first <= t <= overlay.last else 0
    row.recall, row.ratio, row.wrong = hits / max(1, total), area / max(1, total), wrong
    row.first = min(shown, default=-99) - overlay.first
    row.last = max(shown, default=-99) - overlay.last
    row.told = all(line["strokes"] for line in lines if line["removed"])
    if not fill or not shown:
        return
    box = work / "box"
    box.mkdir(exist_ok=True)
    margin = round(0.15 * (y1 - y0))
    for t in range(len(base)):
        mask = np.zeros(overlay.size, np.uint8)
        if overlay.first <= t <= overlay.last:
            up = round(overlay.style.speed * t)
            mask[max(0, y0 - margin - up) : max(0, y1 + margin - up), max(0, x0 - margin) : x1 + margin] = 255
        write_png(box / f"{t:05d}.png", mask)
    how = {"preset": "fast", "threads": 1, "lossless": True, "overwrite": True}
    vrm.remove(video, work / "strokes.mkv", text=True, **how)
    vrm.remove(video, work / "box.mkv", mask=box, grow=0, **how)
    row.strokes, row.boxed = (psnr(base, decoded(work / name), overlay) for name in ("strokes.mkv", "box.mkv"))
    coded = decoded(video)
    row.bound = psnr(base, [np.where(m[..., None], b, c) for m, b, c in zip(found, base, coded, strict=True)], overlay)


def psnr(base: list[np.ndarray], filled: list[np.ndarray], overlay: Overlay) -> float:
    """Mean over frames of the PSNR (dB) in the line's box, against the clip without text, before it was encoded."""
    y0, x0, y1, x1 = overlay.box
    values = []
    for t in range(overlay.first, overlay.last + 1):
        up = round(overlay.style.speed * t)
        here = slice(max(0, y0 - up), max(1, y1 - up)), slice(x0, x1)
        error = float(((base[t][here].astype(float) - filled[t][here]) ** 2).mean())
        values.append(10 * np.log10(255**2 / max(error, 1e-3)))
    return float(np.mean(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("text-benchmark"))
    parser.add_argument("--crf", type=int, nargs="+", default=[18, 28])
    parser.add_argument("--styles", nargs="+", default=list(STYLES), choices=list(STYLES))
    parser.add_argument("--frames", type=int, default=36)
    parser.add_argument("--fill", action="store_true")
    args = parser.parse_args()
    print(HEAD, flush=True)
    rows = []
    for clip in args.clips:
        base = frames_of(clip, args.frames)
        for style in args.styles:
            try:
                overlay = Overlay(STYLES[style], (base[0].shape[0], base[0].shape[1]), len(base))
            except LookupError as error:
                print(f"{clip.name} {style}: {error}", file=sys.stderr)
                continue
            for crf in args.crf:
                work = args.out / clip.stem / style.replace(" ", "-") / str(crf)
                work.mkdir(parents=True, exist_ok=True)
                video = work / "overlaid.mp4"
                encode([over(frame, overlay.layer(t)) for t, frame in enumerate(base)], video, crf)
                row = Row(clip.stem, style, crf, 0, 0, 0, 0, True, 0)
                measure(base, overlay, video, work, args.fill, row)
                rows.append(row)
                print(row.text(), flush=True)
    means = {
        name: np.nanmean([getattr(r, name) for r in rows]) for name in ("recall", "ratio", "strokes", "boxed", "bound")
    }
    late = sum(max(abs(r.first), abs(r.last)) > 1 for r in rows)
    print("mean", {k: round(float(v), 3) for k, v in means.items()}, f"times off by more than a frame: {late}")


if __name__ == "__main__":
    main()
