import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hanas.core.errors import InputError
from hanas.data.batches import Batch, load_split
from hanas.training.epochs import WeightStepper, evaluate, learning_rate
from hanas.training.settings import TrainingSettings


def linear_network() -> nn.Module:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 4))
    nn.init.constant_(network[1].weight, 0.5)
    nn.init.zeros_(network[1].bias)
    return network


def one_batch() -> Batch:
    images = torch.randn(6, 3, 1, 1, generator=torch.Generator().manual_seed(0)) * 30
    return Batch(images, torch.tensor([0, 1, 2, 3, 0, 1]))


def stepper(network, **settings) -> WeightStepper:
    plain = {"learning_rate": 1.0, "momentum": 0.0, "weight_decay": 0.0, "gradient_clip": 0.0}
    training = TrainingSettings(**{**plain, **settings})
    return WeightStepper(list(network.parameters()), training)


def test_plain_step_goes_along_the_gradient():
    network, batch = linear_network(), one_batch()
    logits = network(batch.images)
    gradient = torch.autograd.grad(F.cross_entropy(logits, batch.labels), network[1].weight)[0]
    before = network[1].weight.detach().clone()
    result = stepper(network).step(batch, network)
    torch.testing.assert_close(network[1].weight.detach(), before - gradient)
    assert result.loss.item() == pytest.approx(F.cross_entropy(logits, batch.labels).item())
    assert result.correct.item() == (logits.argmax(dim=1) == batch.labels).sum().item()
    assert result.images == 6


def test_gradient_is_clipped():
    network, batch = linear_network(), one_batch()
    before = nn.utils.parameters_to_vector(network.parameters()).detach().clone()
    stepper(network, gradient_clip=0.25).step(batch, network)
    after = nn.utils.parameters_to_vector(network.parameters()).detach()
    assert (after - before).norm().item() == pytest.approx(0.25, rel=1e-4)


def test_several_ways_add_up():
    network, batch = linear_network(), one_batch()
    gradient = torch.autograd.grad(
        F.cross_entropy(network(batch.images), batch.labels)
        + F.cross_entropy(2 * network(batch.images), batch.labels),
        network[1].weight,
    )[0]
    before = network[1].weight.detach().clone()
    stepper(network).step(batch, network, lambda images: 2 * network(images))
    torch.testing.assert_close(network[1].weight.detach(), before - gradient)


def test_what_has_no_gradient_stays():
    network, unused = linear_network(), nn.Parameter(torch.ones(2))
    training = TrainingSettings(learning_rate=0.1)
    WeightStepper([*network.parameters(), unused], training).step(one_batch(), network)
    assert unused.tolist() == [1, 1]  # no weight decay either


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("cosine", [1.0, 0.1 + 0.9 * (0.5 + 2**-1.5), 0.55, 0.1]),
        ("linear", [1.0, 0.775, 0.55, 0.1]),
        ("constant", [1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_learning_rates(schedule, expected):
    last = {} if schedule == "constant" else {"final_learning_rate": 0.1}
    settings = TrainingSettings(learning_rate=1.0, schedule=schedule, **last)
    found = [learning_rate(settings, progress) for progress in (0, 0.25, 0.5, 1)]
    assert found == pytest.approx(expected)


def test_evaluation_is_over_all_images(toy_data):
    split = load_split(toy_data, "validation")
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3), nn.Dropout(0.9))
    network.eval()
    with torch.no_grad():
        images, labels = split.batch(torch.arange(24))
        loss = F.cross_entropy(network(images), labels).item()
        error = (network(images).argmax(dim=1) != labels).float().mean().item()
    network.train()  # dropout must be off while evaluating, and on again after it
    assert evaluate(network, network, split, batch_size=7) == pytest.approx((loss, error))
    assert network.training


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "training.epoch: no such setting; expected one of: batch_size"),
        ({"epochs": 0}, "training.epochs is 0; expected at least 1"),
        ({"epochs": 2.5}, "training.epochs is 2.5; expected a whole number"),
        ({"learning_rate": "1e-3"}, "training.learning_rate is '1e-3'; expected a number"),
        ({"learning_rate": float("nan")}, "training.learning_rate is nan"),
        ({"flip": 1.5}, "training.flip is 1.5; expected at most 1"),
        ({"schedule": "step"}, "training.schedule is 'step'; expected one of: cosine, linear"),
        ({"resolution": 0}, "training.resolution is 0"),
        (
            {"schedule": "constant", "final_learning_rate": 0.01},
            "training.final_learning_rate is 0.01, which schedule constant does not use; leave it",
        ),
        ({"operation_probabilities": {}}, "training.operation_probabilities: no such setting"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(InputError) as raised:
        TrainingSettings.read(settings, "training")
    assert message in str(raised.value)
