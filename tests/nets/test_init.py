import torch

from vrm.nets.init import unit_variance
from vrm.nets.internal.gated import BaseNetwork, CoarseToFineNetwork, GatedConv


def deviations(net, x, kind=GatedConv):
    found = []
    hooks = [
        m.register_forward_hook(lambda m, i, o: found.append(float(o.detach().std())))
        for m in net.modules()
        if isinstance(m, kind)
    ]
    with torch.no_grad():
        out = net(x)
    for hook in hooks:
        hook.remove()
    return found, out


def test_the_usual_initialisation_lets_the_signal_die_and_this_one_does_not():
    torch.manual_seed(0)
    x = torch.rand(2, 4, 96, 96)
    net = BaseNetwork(24)
    before, _ = deviations(net, x)
    assert before[-1] < 0.05
    unit_variance(net, x)
    after, out = deviations(net, x)
    assert len(after) == 16
    assert all(0.95 < d < 1.05 for d in after)
    assert 0.3 < float(out.std()) < 0.5


def test_both_networks_of_coarse_to_fine_are_reached():
    torch.manual_seed(0)
    x = torch.rand(1, 4, 80, 80)
    net = CoarseToFineNetwork(8)
    unit_variance(net, x)
    assert all(0.9 < d < 1.1 for d in deviations(net, x)[0])
