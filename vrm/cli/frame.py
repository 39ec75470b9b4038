"""``vrm frame``: parse, one call."""

from pathlib import Path
from typing import Annotated, Any

from vrm.cli.options import Input, Json, next_command, output_option, takes
from vrm.cli.progress import listener
from vrm.options.build import build
from vrm.options.frame import FrameOptions

Picture = Annotated[
    Path | None, output_option("FILE", "The PNG. Default: INPUT's name with the frame's number, beside it.")
]


@takes(FrameOptions)
def frame(input: Input, output: Picture = None, json: Json = False, **words: Any) -> None:
    """Write one frame as a PNG.

    As displayed, of the size that boxes and clicks are counted in, and masks are painted in.

    \b
    vrm frame walk.mp4 --at 0:04 --grid -o look.png    lines to read a box from
    """
    options = build(FrameOptions, words)
    from vrm.selection.frame_picture import write_frame

    with listener(json) as events:
        report = write_frame(input, output, options, events)
        if not json:
            box = f"LEFT,TOP,RIGHT,BOTTOM{f'@{report.frame}' if report.frame else ''}"
            next_command("track", input, "--box", box, "--overlay", "look.png")
