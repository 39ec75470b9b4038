"""Render the example: a crab crosses a stony shore under a moving camera, with a tune, and the same without the crab.

    python examples/make_example.py                    writes crab.mp4 and crab.png (the mask of frame 0) beside itself
    python examples/make_example.py --truth DIR        also writes clean and mask PNGs of every frame

Everything is drawn from noise with a fixed seed: no footage, no pictures, nothing to license. Because the ground is
drawn without the crab first, the exact truth behind it is known; ``score_example.py`` measures a result against it.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np

HEIGHT, WIDTH, FRAMES, RATE = 360, 640, 100, 25
SCALE = 2  # everything is drawn at twice the size and averaged down, which smooths all edges
AUDIO_RATE = 44100
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Rendered:
    """One frame.

    Attributes:
        shown: uint8 ``(H, W, 3)`` RGB with the crab.
        clean: the same without it.
        mask: bool ``(H, W)``: pixels the crab covers, in part or whole.
    """

    shown: np.ndarray
    clean: np.ndarray
    mask: np.ndarray


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int, gain: float = 0.5
) -> np.ndarray:
    """Fractal noise, float32 ``shape``, about -1..1: octaves of smooth random fields, each twice as fine."""
    total, weight = np.zeros(shape, np.float32), 1.0
    for _ in range(octaves):
        rows, cols = int(shape[0] / cell) + 3, int(shape[1] / cell) + 3
        field = rng.standard_normal((rows, cols)).astype(np.float32)
        large = cv2.resize(field, (int(cols * cell), int(rows * cell)), interpolation=cv2.INTER_CUBIC)
        total += weight * large[: shape[0], : shape[1]]
        weight, cell = weight * gain, max(cell / 2, 1.0)
    return total / (np.abs(total).max() / 1.2)


def ground(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """The shore seen from above, float32 ``(h, w, 3)`` RGB 0..255: wet and dry sand, tufts of grass, stones."""
    sand = fractal(rng, shape, 260, 7, 0.6)[..., None]
    wet = np.clip(fractal(rng, shape, 420, 4)[..., None] * 2.2 + 0.4, 0, 1)
    dry_colour, wet_colour = np.float32([196, 178, 142]), np.float32([128, 112, 90])
    picture = (dry_colour * (1 - wet) + wet_colour * wet) * (1 + 0.22 * sand)
    height = fractal(rng, shape, 60, 5, 0.62)
    slope = cv2.GaussianBlur(height, (0, 0), 1.2)
    light = np.gradient(slope, axis=1) + 0.6 * np.gradient(slope, axis=0)  # lit from the upper left
    picture *= np.clip(1 - 1.6 * light, 0.7, 1.3)[..., None]
    draw_grass(rng, picture, fractal(rng, shape, 300, 4))
    draw_stones(rng, picture, 1500)
    return np.clip(picture, 0, 255)


def draw_grass(rng: np.random.Generator, picture: np.ndarray, where: np.ndarray) -> None:
    """Short blades where the noise field ``where`` is high, dark below light."""
    rows, cols = np.nonzero(where > 0.45)
    for layer in range(3):
        for k in rng.integers(0, rows.size, 3500):
            angle, length = rng.normal(-1.2, 0.6), rng.uniform(12, 34)
            foot = np.array([cols[k], rows[k]])
            tip = foot + length * np.array([np.cos(angle), np.sin(angle)])
            shade = 0.55 + 0.22 * layer + rng.uniform(-0.1, 0.1)
            colour = np.array([118, 128, 62]) * shade + rng.uniform(-12, 12, 3)
            cv2.line(picture, foot.tolist(), tip.astype(int).tolist(), colour.tolist(), 2, cv2.LINE_AA)


def draw_stones(rng: np.random.Generator, picture: np.ndarray, count: int) -> None:
    """Irregular pebbles of several sizes with a dark foot, shaded as if lit from the upper left."""
    height, width = picture.shape[:2]
    for radius in np.sort(rng.pareto(2.2, count) * 5 + 4)[: count - 6]:
        r = int(np.ceil(radius * 1.5)) + 4
        cx, cy = int(rng.integers(r, width - r)), int(rng.integers(r, height - r))
        yy, xx = np.mgrid[-r : r + 1, -r : r + 1].astype(np.float32)
        turn, squeeze = rng.uniform(0, np.pi), rng.uniform(0.6, 1.0)
        u, v = xx * np.cos(turn) + yy * np.sin(turn), (yy * np.cos(turn) - xx * np.sin(turn)) / squeeze
        angle = np.arctan2(v, u)
        edge = radius * (1 + sum(rng.uniform(-0.09, 0.09) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 5)))
        q = np.hypot(u, v) / edge
        dome = np.clip(1 - q**2, 0, 1)
        shade = 0.62 + 0.38 * np.sqrt(dome) - 0.16 * (xx + yy) / radius * (q < 1)
        speckle = 1 + 0.07 * cv2.GaussianBlur(rng.standard_normal(q.shape).astype(np.float32), (0, 0), 1.0) * 3
        colour = np.float32([132, 126, 120]) * rng.uniform(0.6, 1.25) + rng.uniform(-14, 14, 3)
        alpha = np.clip((1 - q) * radius / 1.5, 0, 1)[..., None]
        foot = np.clip((1.18 - q) * radius / 4, 0, 1)[..., None]
        patch = picture[cy - r : cy + r + 1, cx - r : cx + r + 1]
        patch *= 1 - 0.42 * foot
        patch += alpha * ((colour * (shade * speckle)[..., None]) - patch)


def camera(t: int) -> np.ndarray:
    """World-to-view homography ``(3, 3)`` of frame t, both at drawing scale: a pan by hand with a little tilt."""
    s = t / RATE
    x = 420 + 78 * s + 9 * np.sin(2.1 * s)
    y = 330 + 34 * np.sin(0.8 * s) + 5 * np.sin(3.3 * s + 1)
    zoom, turn = 1.0 + 0.05 * np.sin(0.7 * s), np.deg2rad(1.6 * np.sin(1.1 * s))
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    cx, cy = WIDTH * SCALE / 2, HEIGHT * SCALE / 2
    to_centre = np.array([[1, 0, -(x + cx)], [0, 1, -(y + cy)], [0, 0, 1.0]])
    spin = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
    tilt = np.array([[1, 0, 0], [0, 1, 0], [1.5e-5 * np.sin(s), -6e-5, 1.0]])
    back = np.array([[1, 0, cx], [0, 1, cy], [0, 0, 1.0]])
    return back @ tilt @ spin @ to_centre


def limb(shape: tuple[int, int], points: list[np.ndarray], widths: list[float]) -> np.ndarray:
    """Coverage 0..1 ``shape`` of a tapering, jointed limb through ``points`` (x, y)."""
    yy, xx = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    cover = np.zeros(shape, np.float32)
    for (a, b), (wa, wb) in zip(pairwise(points), pairwise(widths), strict=True):
        ab = b - a
        along = np.clip(((xx - a[0]) * ab[0] + (yy - a[1]) * ab[1]) / (ab @ ab), 0, 1)
        distance = np.hypot(xx - a[0] - along * ab[0], yy - a[1] - along * ab[1])
        cover = np.maximum(cover, np.clip(wa + (wb - wa) * along - distance + 0.5, 0, 1))
    return cover


def crab(phase: float) -> tuple[np.ndarray, np.ndarray]:
    """The crab at a phase of its gait: float32 RGB ``(300, 400, 3)`` 0..255 and coverage ``(300, 400)`` 0..1."""
    shape = (300, 400)
    centre = np.array([200.0, 150.0])
    colour, cover = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)

    def paint(alpha: np.ndarray, rgb: np.ndarray) -> None:
        colour[:] += alpha[..., None] * (rgb - colour)
        np.maximum(cover, alpha, out=cover)

    for side in (-1, 1):
        for k in range(4):
            swing = 0.22 * np.sin(phase + np.pi * (k % 2) + (side > 0) * np.pi / 2)
            lift = 1 + 0.14 * np.cos(phase + np.pi * (k % 2))
            out = np.deg2rad(-34 + 30 * k) + swing
            hip = centre + np.array([side * 52, -20 + 16 * k])
            knee = hip + lift * 46 * np.array([side * np.cos(out - 0.35), np.sin(out - 0.35)])
            foot = knee + 50 * np.array([side * np.cos(out + 0.55), np.sin(out + 0.55)])
            paint(limb(shape, [hip, knee, foot], [11, 9, 5]), np.float32([168, 62, 34]) * (0.85 + 0.1 * (k % 2)))
        reach = 0.12 * np.sin(phase * 0.5 + side)
        shoulder = centre + np.array([side * 44, -38])
        elbow = shoulder + np.array([side * 34, -26 + 20 * reach])
        wrist = elbow + np.array([-side * 6, -36])
        paint(limb(shape, [shoulder, elbow, wrist], [10, 9, 13]), np.float32([196, 78, 40]))
        for bend in (-0.5, 0.45):
            tip = wrist + 30 * np.array([np.sin(bend + reach - side * 0.3), -np.cos(bend + reach)])
            paint(limb(shape, [wrist, tip], [12, 5]), np.float32([214, 104, 62]))
    yy, xx = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    u, v = (xx - centre[0]) / 74, (yy - centre[1]) / 52
    angle = np.arctan2(v, u)
    q = np.hypot(u, v) / (1 + 0.05 * np.cos(3 * angle + 0.5) + 0.03 * np.cos(9 * angle))
    speckle = fractal(np.random.default_rng(5), shape, 18, 3)
    shade = 0.68 + 0.4 * np.sqrt(np.clip(1 - q**2, 0, 1)) - 0.14 * (u + v)
    body = np.float32([206, 88, 44]) * (shade * (1 + 0.16 * speckle))[..., None]
    paint(np.clip((1 - q) * 50, 0, 1), body)
    for side in (-1, 1):
        eye = centre + np.array([side * 18, -58])
        paint(limb(shape, [centre + np.array([side * 16, -44]), eye], [4, 6]), np.float32([44, 30, 28]))
    return np.clip(colour, 0, 255), cover


def crab_place(t: int) -> tuple[np.ndarray, float, float]:
    """Where the crab's centre is in the world, its turn in radians, and the phase of its gait."""
    s = t / RATE
    x = 420 + 265 + 262 * s + 26 * np.sin(1.9 * s)
    y = 330 + 395 + 62 * np.sin(1.3 * s + 0.4) - 14 * s
    return np.array([x, y]), 0.22 * np.sin(1.3 * s + 1.2), 2 * np.pi * 1.3 * s


def frames() -> Iterator[Rendered]:
    """All ``FRAMES`` frames, in order."""
    cv2.setNumThreads(1)
    world = ground(np.random.default_rng(2024), (HEIGHT * SCALE + 760, WIDTH * SCALE + 1160))
    size = (WIDTH * SCALE, HEIGHT * SCALE)
    for t in range(FRAMES):
        view = camera(t)
        clean = cv2.warpPerspective(world, view, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        place, turn, phase = crab_place(t)
        rgb, cover = crab(phase)
        cos, sin = np.cos(turn), np.sin(turn)
        put = np.array([[cos, -sin, place[0]], [sin, cos, place[1]], [0, 0, 1]]) @ np.array(
            [[1, 0, -200], [0, 1, -150], [0, 0, 1.0]]
        )
        # Colour times coverage is warped, so that the edge holds no black.
        rgb = cv2.warpPerspective(rgb * cover[..., None], view @ put, size, flags=cv2.INTER_LINEAR)
        cover = cv2.warpPerspective(cover, view @ put, size, flags=cv2.INTER_LINEAR)
        shown = clean * (1 - cover[..., None]) + rgb
        yield Rendered(
            _shrink(shown), _shrink(clean), cv2.resize(cover, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) > 0.02
        )


def _shrink(picture: np.ndarray) -> np.ndarray:
    small = cv2.resize(np.clip(picture, 0, 255), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.round(small).astype(np.uint8)


def tune() -> np.ndarray:
    """A plucked tune as long as the clip, float32 ``(1, samples)``."""
    total = np.zeros(FRAMES * AUDIO_RATE // RATE, np.float32)
    notes = [0, 4, 7, 12, 9, 7, 4, 7, 2, 5, 9, 14, 12, 9, 5, 0]
    for k, note in enumerate(notes):
        start = k * total.size // len(notes)
        time = np.arange(total.size - start) / AUDIO_RATE
        pitch = 261.63 * 2 ** (note / 12)
        voice = sum(np.sin(2 * np.pi * pitch * h * time) * np.exp(-time * (3 + 2 * h)) / h for h in (1, 2, 3))
        total[start:] += (0.22 * voice * np.minimum(1, time * 200)).astype(np.float32)
    return np.clip(total, -1, 1)[None]


def encode(pictures: Iterator[np.ndarray], path: Path) -> None:
    """Write pictures and tune as H.264 (BT.709, tagged) and AAC."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=RATE, options={"crf": "17", "preset": "veryslow", "threads": "1"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.time_base = Fraction(1, RATE)
        context = video.codec_context
        context.color_primaries = context.color_trc = context.colorspace = 1
        context.color_range = 1
        sound = out.add_stream("aac", rate=AUDIO_RATE, layout="mono")
        sound.bit_rate = 96_000
        for t, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            frame.pts, frame.time_base = t, Fraction(1, RATE)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        samples = av.AudioFrame.from_ndarray(tune(), format="fltp", layout="mono")
        samples.sample_rate, samples.pts = AUDIO_RATE, 0
        out.mux(sound.encode(samples))
        out.mux(sound.encode(None))


def main() -> None:
    """Parse and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE, help="folder for crab.mp4 and crab.png")
    parser.add_argument("--truth", type=Path, help="folder for clean/ and masks/ PNGs of every frame")
    args = parser.parse_args()
    for folder in [args.out] + [args.truth / name for name in ("clean", "masks") if args.truth]:
        folder.mkdir(parents=True, exist_ok=True)

    def pictures() -> Iterator[np.ndarray]:
        for t, frame in enumerate(frames()):
            if t == 0:
                cv2.imwrite(str(args.out / "crab.png"), frame.mask.astype(np.uint8) * 255)
            if args.truth:
                cv2.imwrite(str(args.truth / "clean" / f"{t:05d}.png"), frame.clean[..., ::-1])
                cv2.imwrite(str(args.truth / "masks" / f"{t:05d}.png"), frame.mask.astype(np.uint8) * 255)
            yield frame.shown

    encode(pictures(), args.out / "crab.mp4")


if __name__ == "__main__":
    main()
