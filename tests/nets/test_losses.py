import numpy as np
import torch

from vrm.nets.internal.losses import ambiguity, reconstruction, stabilisation


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


def cosine_distance(a, b):
    return 1 - (a * b).sum() / (np.sqrt((a * a).sum()) * np.sqrt((b * b).sum()))


def test_ambiguity_is_the_mean_distance_to_the_nearest_point_that_counts():
    rng = np.random.default_rng(2)
    s, t = rng.standard_normal((2, 4, 3, 5)), rng.standard_normal((2, 4, 3, 5))
    at, of = rng.random((2, 1, 3, 5)) < 0.6, rng.random((2, 1, 3, 5)) < 0.6
    frames = []
    for b in range(2):
        nearest = []
        for i, j in np.argwhere(at[b, 0]):
            distances = [cosine_distance(s[b, :, i, j], t[b, :, k, m]) for k, m in np.argwhere(of[b, 0])]
            nearest.append(min(distances))
        frames.append(np.mean(nearest))
    got = ambiguity(torch.tensor(s), torch.tensor(t), torch.tensor(at), torch.tensor(of))
    assert abs(float(got) - np.mean(frames)) < 1e-6


def test_a_blocked_target_has_no_influence():
    source = torch.rand(1, 4, 3, 3, requires_grad=True)
    none = torch.zeros(1, 1, 3, 3, dtype=torch.bool)
    loss = ambiguity(source, torch.rand(1, 4, 3, 3), ~none, none)
    loss.backward()
    assert loss.item() == 0
    assert float(source.grad.abs().max()) == 0


def test_stabilisation_is_the_part_of_the_change_that_the_input_does_not_explain():
    rng = np.random.default_rng(3)
    changed_output, output, changed, frame = rng.random((4, 2, 3, 4, 5))
    unknown = rng.random((2, 1, 4, 5)) < 0.3
    total, known = 0.0, 0
    for b, c, i, j in np.ndindex(2, 3, 4, 5):
        if not unknown[b, 0, i, j]:
            delta = (changed_output[b, c, i, j] - output[b, c, i, j]) - (changed[b, c, i, j] - frame[b, c, i, j])
            total += abs(delta)
            known += 1
    arrays = (torch.tensor(a) for a in (changed_output, output, changed, frame, unknown))
    assert abs(float(stabilisation(*arrays)) - total / known) < 1e-6
