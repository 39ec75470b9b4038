import numpy as np
import torch

from vrm.nets.losses import inside, reconstruction


def test_reconstruction_is_the_mean_absolute_error_over_known_samples():
    rng = np.random.default_rng(0)
    y, x = rng.random((2, 3, 5, 7)), rng.random((2, 3, 5, 7))
    hole = rng.random((2, 1, 5, 7)) < 0.4
    total, known = 0.0, 0
    for b in range(2):
        for c in range(3):
            for i in range(5):
                for j in range(7):
                    if not hole[b, 0, i, j]:
                        total += abs(y[b, c, i, j] - x[b, c, i, j])
                        known += 1
    got = reconstruction(torch.tensor(y), torch.tensor(x), torch.tensor(hole).float())
    assert abs(float(got) - total / known) < 1e-6


def test_reconstruction_with_nothing_known_is_zero():
    assert float(reconstruction(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 4, 4))) == 0


def test_inside_weighs_values_differences_and_squares():
    rng = np.random.default_rng(1)
    y, x = rng.random((1, 3, 6, 6)).astype(np.float32), rng.random((1, 3, 6, 6)).astype(np.float32)
    where = np.zeros((1, 1, 6, 6), bool)
    where[..., 1:4, 2:5] = True
    d = (y - x)[0, :, 1:4, 2:5]
    naive = np.abs(d).mean() + 2 * (d**2).mean()
    naive += 0.5 * (np.abs(np.diff(d, axis=2)).mean() + np.abs(np.diff(d, axis=1)).mean())
    got = inside(torch.tensor(y), torch.tensor(x), torch.tensor(where), gradient=0.5, square=2)
    assert abs(float(got) - naive) < 1e-5
