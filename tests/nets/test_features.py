import math

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import vgg19

from vrm.errors import WeightsError
from vrm.nets.internal.features import GaborFeatures, VggFeatures, counted
from vrm.nets.internal.losses import ambiguity


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    torch.manual_seed(0)
    net = vgg19(weights=None).eval()
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    save_file({n: v for n, v in net.state_dict().items() if n.startswith("features.")}, path)
    return net, path


def test_vgg_is_torchvisions_up_to_relu3_4(vgg):
    net, path = vgg
    image = torch.rand(1, 3, 32, 40)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (image - mean[:, None, None]) / deviation[:, None, None]
    wanted = net.features[:18](x)  # conv3_4 is layer 16, its ReLU 17
    torch.testing.assert_close(VggFeatures(path)(image), wanted)
    assert wanted.shape == (1, 256, 8, 10)


def test_other_weights_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"features.0.weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"features\.0\.weight"):
        VggFeatures(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        VggFeatures(tmp_path / "none.safetensors")


def naive_response(image, level, y, x, wavelength, colour, angle, phase):
    """One filter's response at one pixel of a level, by the formula."""
    small = image.reshape(3, image.shape[1] >> level, 1 << level, image.shape[2] >> level, 1 << level).mean((2, 4))
    wave = np.array(
        [
            [
                math.exp(-(i * i + j * j) / (2 * (0.4 * wavelength) ** 2))
                * math.cos(2 * math.pi / wavelength * (i * math.cos(angle) + j * math.sin(angle)) + phase)
                for i in range(-3, 4)
            ]
            for j in range(-3, 4)
        ]
    )
    wave -= wave.mean()
    wave /= np.sqrt((wave**2).sum())
    grey = sum(c * plane for c, plane in zip(colour, small, strict=True))
    return (np.pad(grey, 3, mode="edge")[y : y + 7, x : x + 7] * wave).sum() / 2**level


@pytest.mark.parametrize(("sign", "channel"), [(1, 13), (-1, 53)])
@pytest.mark.parametrize(("level", "across"), [(0, 4), (1, 2), (2, 1)])
def test_gabor_features_are_rectified_waves_under_a_bell_by_level(sign, channel, level, across):
    image = np.random.default_rng(1).random((3, 16, 20))
    found = GaborFeatures().double()(torch.from_numpy(image)[None])
    assert found.shape == (1, 240, 4, 5)
    at = [(y, x) for y in range(2 * across, 3 * across) for x in range(across, 2 * across)]
    grey = (0.299, 0.587, 0.114)  # filter 13: the second wavelength, the first orientation, a quarter turn
    wanted = np.mean([max(0, sign * naive_response(image, level, y, x, 5, grey, 0, math.pi / 2)) for y, x in at])
    assert float(found[0, 80 * level + channel, 2, 1]) == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_gabor_features_are_blind_to_brightness():
    image = torch.rand(2, 3, 37, 50)
    first, second = GaborFeatures()(image), GaborFeatures()(image + 0.1)
    assert first.shape == (2, 240, 9, 12)
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("deviation", [1.0, 3.0])
def test_a_blurred_picture_is_dearer_than_a_sharp_one(deviation):
    rng = np.random.default_rng(0)
    waves = np.maximum(np.hypot(*np.meshgrid(np.fft.fftfreq(192), np.fft.fftfreq(192))), 1 / 192)[..., None]
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((192, 192, 3)), axes=(0, 1)) / waves, axes=(0, 1)).real
    field = (0.5 + 0.15 * field / field.std()).astype(np.float32)  # pictures have such a spectrum
    other, sharp = field[:96, :96], field[96:, 96:]
    everywhere = torch.ones(1, 1, 24, 24, dtype=torch.bool)

    def cost(image):
        ours, theirs = (GaborFeatures()(torch.from_numpy(i.transpose(2, 0, 1)[None])) for i in (image, other))
        return float(ambiguity(ours, theirs, everywhere, everywhere))

    assert cost(cv2.GaussianBlur(sharp, (0, 0), deviation)) > 1.03 * cost(np.ascontiguousarray(sharp))


def test_a_point_counts_where_all_its_pixels_do():
    where = torch.ones(1, 1, 9, 8, dtype=torch.bool)
    where[0, 0, 5, 2] = False
    assert counted(where).tolist() == [[[[True, True], [False, True]]]]
