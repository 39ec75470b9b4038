import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import vgg19

from vrm.errors import WeightsError
from vrm.nets.features import RandomFeatures, VggFeatures, counted


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


def test_random_features_are_the_same_every_time_and_blind_to_brightness():
    image = torch.rand(2, 3, 37, 50)
    first, second = RandomFeatures()(image), RandomFeatures()(image + 0.1)
    assert first.shape == (2, 144, 9, 12)
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)


def test_a_point_counts_where_all_its_pixels_do():
    where = torch.ones(1, 1, 9, 8, dtype=torch.bool)
    where[0, 0, 5, 2] = False
    assert counted(where).tolist() == [[[[True, True], [False, True]]]]
