import cv2
import numpy as np
import pytest

from vrm.errors import WeightsError
from vrm.motion.flow.estimators import DisFlow, RaftFlow

from .shots import texture

ESTIMATORS = {"dis": lambda: DisFlow(), "raft": lambda: RaftFlow(None, False, 2)}


@pytest.fixture(params=ESTIMATORS)
def estimator(request):
    if request.param == "raft":
        pytest.importorskip("torch")
    return ESTIMATORS[request.param]()


@pytest.mark.parametrize("size", [(72, 120), (33, 47), (5, 9)])
def test_flow_has_the_frame_s_size_and_is_finite(estimator, size):
    grey = cv2.cvtColor(texture(*size), cv2.COLOR_RGB2GRAY)
    flow = estimator(grey, np.ascontiguousarray(grey[:, ::-1]))
    assert flow.shape == (*size, 2)
    assert flow.dtype == np.float32
    assert np.isfinite(flow).all()


def test_equal_calls_give_equal_flow(estimator):
    grey = cv2.cvtColor(texture(64, 80), cv2.COLOR_RGB2GRAY)
    moved = np.roll(grey, 2, 1)
    np.testing.assert_array_equal(estimator(grey, moved), estimator(grey, moved))


def test_dis_finds_a_shift():
    wide = cv2.cvtColor(texture(80, 140), cv2.COLOR_RGB2GRAY)
    first, second = wide[:, 10:130].copy(), wide[:, 5:125].copy()
    flow = DisFlow()(first, second)[15:-15, 15:-15]
    np.testing.assert_allclose(np.median(flow, (0, 1)), (5, 0), atol=0.1)


def test_raft_takes_a_weights_file(tmp_path):
    pytest.importorskip("torch")
    from safetensors.torch import save_file

    made = RaftFlow(None, large=False, iterations=1)
    save_file(made._model.state_dict(), tmp_path / "raft.safetensors")
    grey = cv2.cvtColor(texture(64, 80), cv2.COLOR_RGB2GRAY)
    same = RaftFlow(tmp_path / "raft.safetensors", large=False, iterations=1)
    np.testing.assert_array_equal(made(grey, grey), same(grey, grey))


def test_wrong_weights_are_refused(tmp_path):
    pytest.importorskip("torch")
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "raft.safetensors")
    with pytest.raises(WeightsError, match="raft_small"):
        RaftFlow(tmp_path / "raft.safetensors", large=False)
