import torch

from vrm.nets.fuser import Fuser
from vrm.nets.gated import BaseNetwork, CoarseToFineNetwork, GatedConv
from vrm.train.initialise import unit_variance


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


def test_a_head_that_starts_at_zero_stays_there_and_weights_in_channels_last_order_work():
    torch.manual_seed(0)
    net = Fuser(6, 3, 8).to(memory_format=torch.channels_last)
    unit_variance(net, torch.rand(1, 6, 40, 40), torch.rand(1, 3, 3, 40, 40), torch.ones(1, 3, 40, 40, dtype=bool))
    assert not net.head.conv.weight.any()
    assert net.at_half[0].conv.weight.any()
