"""Tables of papers with their conditions: printed apart from ours, never mixed with them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedTable:
    """One table as printed.

    Attributes:
        conditions: how it was measured, and what the paper does not say; one sentence each.
        protocols: those of ours that are closest.
        text: a line for the heading and for each row, cells between "|".
    """

    title: str
    conditions: tuple[str, ...]
    protocols: tuple[str, ...]
    text: str

    @property
    def rows(self) -> list[list[str]]:
        return [[cell.strip() for cell in line.split("|")] for line in self.text.strip().splitlines()]


SAVIT_1 = PublishedTable(
    "SAVIT (Lee et al., ICCV 2023), Table 1",
    (
        "432x240, one still free-form hole per video; 508 test videos of YouTube-VOS, 50 clips of DAVIS.",
        "PSNR and SSIM are means over all frames; SSIM by the field's code has a window of 65 pixels (our ssim_65).",
        "VFID by the field's code leaves I3D in training mode (our vfid_batchstats).",
        "E_warp by FlowNet2 in the field's code; SAVIT's own is about half of every other row's best, so it may be "
        "computed otherwise.",
        "Labels come from clean frames, so they tell what is in the hole.",
    ),
    ("sttn", "youtube-vos"),
    """
method | VOS PSNR | VOS SSIM | VOS VFID | VOS E_warp % | DAVIS PSNR | DAVIS SSIM | DAVIS VFID | DAVIS E_warp %
VINet | 29.20 | 0.9434 | 0.072 | 0.1490 | 28.96 | 0.9411 | 0.199 | 0.1785
LGTSM | 29.74 | 0.9504 | 0.070 | 0.1859 | 28.57 | 0.9409 | 0.170 | 0.1640
CAP | 31.58 | 0.9607 | 0.071 | 0.1470 | 30.28 | 0.9521 | 0.182 | 0.1533
STTN | 32.34 | 0.9655 | 0.053 | 0.0907 | 30.67 | 0.9560 | 0.149 | 0.1449
E2FGVI | 33.71 | 0.9700 | 0.046 | 0.0864 | 33.01 | 0.9721 | 0.116 | 0.1315
ISVI | 31.19 | 0.9569 | 0.053 | 0.1173 | 32.28 | 0.9669 | 0.129 | 0.1589
FuseFormer | 33.16 | 0.9673 | 0.051 | 0.0900 | 32.54 | 0.9700 | 0.138 | 0.1362
SAVIT | 33.97 | 0.9727 | 0.043 | 0.0436 | 33.14 | 0.9748 | 0.107 | 0.0673
""",
)

KEYFRAME_2 = PublishedTable(
    "Keyframe propagation (Esser et al., 2022), Table 2",
    (
        "1,987 images of Places at 256x256 with four synthetic keyframes.",
        "LPIPS with VGG-16, SSIM with a Gaussian window (our ssim_gauss11); spreads are over images.",
    ),
    ("guided",),
    """
method | FID | LPIPS | SSIM
LaMa + SpectralFuse | 26.40 | 0.211 ± 0.115 | 0.794 ± 0.138
Transformer | 18.18 | 0.175 ± 0.094 | 0.821 ± 0.128
Ours w/o FFC | 14.78 | 0.140 ± 0.082 | 0.851 ± 0.110
Ours | 14.29 | 0.137 ± 0.080 | 0.848 ± 0.110
Ours (big) | 13.09 | 0.130 ± 0.074 | 0.865 ± 0.101
""",
)

KEYFRAME_4 = PublishedTable(
    "Keyframe propagation (Esser et al., 2022), Table 4",
    ("As Table 2, with two keyframes (ours: --keyframes 2).",),
    ("guided",),
    """
method | FID | LPIPS | SSIM
LaMa + SpectralFuse | 26.74 | 0.212 ± 0.116 | 0.759 ± 0.139
Transformer | 18.87 | 0.181 ± 0.096 | 0.802 ± 0.130
Ours w/o FFC | 17.62 | 0.157 ± 0.091 | 0.833 ± 0.118
Ours | 16.90 | 0.154 ± 0.089 | 0.834 ± 0.118
Ours (big) | 15.45 | 0.148 ± 0.084 | 0.849 ± 0.111
""",
)

KEYFRAME_3 = PublishedTable(
    "Keyframe propagation (Esser et al., 2022), Table 3",
    (
        "DEVIL: 150 videos at 832x480, large strokes; means per video first.",
        "SSIM with a data range of 2 is inflated (our ssim_devil).",
        "LPIPS of 2022 lacked trained weights in DEVIL's code, so the column is probably no LPIPS; in brackets as "
        "DEVIL printed it. Whether VFID is of whole videos or of windows is not said.",
    ),
    ("devil",),
    """
method | FID | LPIPS | SSIM | VFID | PVCS | PCons
Ours 14+prealign | 4.34 | 0.0034 | 0.9630 | 0.0543 | 0.2263 | 42.39
Ours 14 | 4.45 | 0.0042 | 0.9597 | 0.0542 | 0.2339 | 41.45
Ours 6 | 4.68 | 0.0051 | 0.9581 | 0.0561 | 0.2443 | 41.14
LaMa + flow | 5.28 | 0.0082 | 0.9459 | 0.0877 | 0.3151 | 40.22
DFCNet | 7.71 | 0.0054 (0.0056) | 0.9500 | 0.0627 | 0.2240 | 57.80
E2FGVI | 8.22 | 0.0046 | 0.9585 | 0.0613 | 0.2519 | 33.19
FGVC | 9.76 | 0.0065 (0.0054) | 0.9548 | 0.0564 | 0.2322 | 38.26
JointOpt | 7.30 | 0.0058 (0.0059) | 0.9559 | 0.0530 | 0.2324 | 37.19
OPN | 8.71 | 0.0062 (0.007) | 0.9525 | 0.0708 | 0.2874 | 35.09
CPNet | 13.21 | 0.0056 (0.0068) | 0.9574 | 0.0969 | 0.3048 | 43.91
STTN | 10.89 | 0.0083 (0.0065) | 0.9542 | 0.0911 | 0.3149 | 41.12
VINet | 23.63 | 0.0090 (0.0084) | 0.9481 | 0.1488 | 0.4312 | 50.07
""",
)

INTERNAL_1 = PublishedTable(
    "Internal video inpainting (Ouyang et al., ICCV 2021), Table 1",
    (
        "DAVIS; a box of a quarter of width and height in the middle, or shuffled object masks.",
        "Which sequences, which size and which network of LPIPS is not said.",
    ),
    ("fixed", "object"),
    """
method | fixed PSNR | fixed SSIM | fixed LPIPS | object PSNR | object SSIM | object LPIPS
CAP | 28.04 | 0.906 | 0.1041 | 29.37 | 0.910 | 0.0483
OPN | 28.72 | 0.915 | 0.0872 | 28.40 | 0.904 | 0.0596
STTN | 29.05 | 0.927 | 0.0637 | 29.45 | 0.918 | 0.0279
FGVC | 29.68 | 0.942 | 0.0564 | 33.98 | 0.951 | 0.0195
InterVI | 26.89 | 0.868 | 0.1126 | 27.96 | 0.875 | 0.0545
Ours (internal) | 29.90 | 0.944 | 0.0414 | 31.09 | 0.948 | 0.0182
""",
)

TABLES = (SAVIT_1, KEYFRAME_2, KEYFRAME_4, KEYFRAME_3, INTERNAL_1)


def tables_for(protocols: set[str]) -> list[PublishedTable]:
    """Those that come closest to the protocols of a run; all of them where none is known."""
    return [table for table in TABLES if protocols & set(table.protocols)] or list(TABLES)
