import numpy as np
import pytest

from vrm.motion.poisson import interpolate_laplace, push_pull, solve_poisson


def direct(rhs: np.ndarray, unknown: np.ndarray, given: np.ndarray, screening: float) -> np.ndarray:
    """The equation written out as a dense matrix and solved."""
    h, w = unknown.shape
    number = {p: i for i, p in enumerate(zip(*np.nonzero(unknown), strict=True))}
    matrix, right = np.zeros((len(number), len(number))), np.zeros(len(number))
    for (y, x), i in number.items():
        right[i] = rhs[y, x]
        matrix[i, i] = screening
        for q in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= q[0] < h and 0 <= q[1] < w:
                matrix[i, i] += 1
                if q in number:
                    matrix[i, number[q]] -= 1
                else:
                    right[i] += given[q]
    out = given.astype(np.float64).copy()
    out[unknown] = np.linalg.solve(matrix, right)
    return out


@pytest.fixture
def problem():
    rng = np.random.default_rng(3)
    unknown = np.zeros((41, 34), bool)
    unknown[0:25, 6:30] = True
    unknown[10:13, 12:20] = False
    unknown[33:35, 2:30] = True
    return rng.normal(size=(41, 34)).astype(np.float32) * 0.1, unknown, rng.random((41, 34)).astype(np.float32)


@pytest.mark.parametrize("screening", [0.0, 0.05])
def test_solve_is_the_direct_solution(problem, screening):
    rhs, unknown, given = problem
    ours = solve_poisson(rhs, unknown, given, screening=screening, cycles=12)
    np.testing.assert_allclose(ours, direct(rhs, unknown, given, screening), atol=2e-3)
    np.testing.assert_array_equal(ours[~unknown], given[~unknown])


def test_channels_are_solved_apart(problem):
    rhs, unknown, given = problem
    both = solve_poisson(np.stack([rhs, 0 * rhs], -1), unknown, np.stack([given, given[::-1]], -1))
    np.testing.assert_allclose(both[..., 0], solve_poisson(rhs, unknown, given), atol=1e-5)
    np.testing.assert_allclose(both[..., 1], solve_poisson(0 * rhs, unknown, given[::-1]), atol=1e-5)


def test_laplace_interpolation_continues_a_ramp():
    y, x = np.mgrid[:60, :80].astype(np.float32)
    ramp = 0.3 * x - 0.1 * y
    unknown = np.zeros(ramp.shape, bool)
    unknown[15:45, 20:60] = True
    np.testing.assert_allclose(interpolate_laplace(np.where(unknown, 99, ramp), unknown, cycles=8), ramp, atol=0.02)


def test_laplace_interpolation_stays_between_its_border_values(problem):
    _, unknown, given = problem
    ours = interpolate_laplace(given, unknown)
    assert np.isfinite(ours).all()
    assert ours.min() >= given.min() - 1e-4
    assert ours.max() <= given.max() + 1e-4


def test_nothing_known_and_nothing_unknown():
    values = np.ones((5, 7), np.float32)
    assert (interpolate_laplace(values, np.zeros((5, 7), bool)) == 1).all()
    assert (interpolate_laplace(values, np.ones((5, 7), bool)) == 0).all()
    assert np.isfinite(solve_poisson(values, np.ones((5, 7), bool), values)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 50)])
def test_thin_images(shape):
    unknown = np.zeros(shape, bool)
    unknown[0, 0] = True
    out = interpolate_laplace(np.ones(shape, np.float32), unknown)
    assert np.isfinite(out).all()


def test_push_pull_keeps_what_is_known():
    rng = np.random.default_rng(0)
    values = rng.random((33, 20, 2)).astype(np.float32)
    weight = (rng.random((33, 20)) > 0.5).astype(np.float32)
    out = push_pull(values, weight)
    np.testing.assert_allclose(out[weight == 1], values[weight == 1], atol=1e-6)
    assert out.min() >= values[weight == 1].min() - 1e-5
    assert out.max() <= values[weight == 1].max() + 1e-5
