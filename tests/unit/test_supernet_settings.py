import pytest
import torch
from toy_supernets import (
    FILES,
    LAYER_WISE,
    LAYER_WISE_TRAINERS,
    PROBABILITIES,
    SPACES,
    TRAINERS,
    read,
    settings_of,
    train,
)

from hanas.core.errors import InputError
from hanas.training.epochs import learning_rate
from hanas.training.supernets import prepare


def test_operation_probabilities_are_where_sampling_starts(toy_file):
    settings = settings_of("gdas", training={"operation_probabilities": PROBABILITIES})
    run = prepare(read(settings), toy_file)
    expected = torch.tensor(list(PROBABILITIES.values())).expand(6, 5)
    torch.testing.assert_close(run.alphas.detach().softmax(dim=1), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainer": "dart"}, "supernet.trainer is 'dart'; expected one of"),
        ({"sede": 3}, "supernet.sede: no such setting"),
        ({"training": {"epoch": 3}}, "training.epoch: no such setting"),
        (
            {"architecture": {"order": 3}},
            "architecture.order is 3, which trainer 'gdas' does not use",
        ),
        ({"architecture": {"tau": [1]}}, "architecture.tau is [1]; expected at least 2 of them"),
        (
            {"architecture": {"betas": [0.5, 1.0]}},
            "architecture.betas.1 is 1; expected less than 1",
        ),
        ({"network": {"channels": -1}}, "network.channels is -1"),
        ({"training": {"resolution": 2}}, "training.resolution: images of 2x2"),
        ({"training": {"resolution": 3}}, "training.resolution"),
        ({"device": "gpu"}, "device is 'gpu'; expected one of: auto, cpu, cuda"),
        ({"device": "cpu", "precision": "mixed"}, "precision is 'mixed', which needs CUDA"),
        (
            {"training": {"operation_probabilities": {**PROBABILITIES, "none": 0.2}}},
            "training.operation_probabilities add up to 1.1; expected 1",
        ),
        (
            {"training": {"operation_probabilities": {"none": 1.0}}},
            "training.operation_probabilities names none; expected none, skip_connect",
        ),
        (
            {
                "training": {
                    "operation_probabilities": {**PROBABILITIES, "none": 0.0, "skip_connect": 0.3}
                }
            },
            "has a 0, which no gradient can change",
        ),
    ],
)
def test_wrong_settings_are_named(changes, message, toy_file, tmp_path):
    settings = {
        **settings_of("gdas", training=changes.get("training", {})),
        **{key: value for key, value in changes.items() if key != "training"},
    }
    with pytest.raises(InputError) as raised:
        train(settings, toy_file, tmp_path)
    assert message in str(raised.value)
    assert not any((tmp_path / name).exists() for name in FILES)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_cuda_without_a_gpu_is_refused(toy_file, tmp_path):
    with pytest.raises(InputError, match="finds no CUDA device"):
        train(settings_of("rsps", device="cuda"), toy_file, tmp_path)


def test_settings_of_the_thesis_can_be_said(toy_file):
    """Table 6-7: a learning rate that falls linearly from 0.025 to 0 over 900 epochs."""
    training = {"epochs": 900, "batch_size": 96, "learning_rate": 0.025, "schedule": "linear"}
    training |= {"momentum": 0.9, "nesterov": True, "weight_decay": 3e-4}
    run = prepare(read(settings_of("spos", "shuffle", training=training)), toy_file)
    (group,) = run.weight_stepper.optimizer.param_groups
    assert group["nesterov"]
    assert (group["momentum"], group["weight_decay"]) == (0.9, 3e-4)
    rates = [learning_rate(run.trainer.training, part) for part in (0, 1 / 3, 1)]
    assert rates == pytest.approx([0.025, 0.025 * 2 / 3, 0])


@pytest.mark.parametrize("space", LAYER_WISE)
@pytest.mark.parametrize("trainer", [t for t in TRAINERS if t not in LAYER_WISE_TRAINERS])
def test_trainers_of_cells_refuse_a_layer_wise_space(trainer, space, toy_file, tmp_path):
    message = (
        f"trainer is '{trainer}', which trains cells, but '{space}' is a layer-wise space; "
        "expected one of: fairness, sandwich, spos"
    )
    with pytest.raises(InputError, match=message):
        train(settings_of(trainer, space), toy_file, tmp_path)


def test_a_layer_wise_space_has_no_sets_of_cells(toy_file, tmp_path):
    with pytest.raises(InputError, match="sampled_cells is 'distinct', but space 'shuffle' has"):
        train(settings_of("spos", "shuffle", sampled_cells="distinct"), toy_file, tmp_path)


def test_a_layer_needs_an_operation_with_a_probability(toy_file, tmp_path):
    names = SPACES["shuffle_i"].operations
    training = {"operation_probabilities": {**dict.fromkeys(names, 0.0), "identity": 1.0}}
    with pytest.raises(InputError, match="no operation that layer 1 "):
        train(settings_of("spos", "shuffle_i", training=training), toy_file, tmp_path)


ONE_SHOT = ("fairness", "rsps", "sandwich", "spos")
ALPHAS = {"learning_rate": 0.1, "weight_decay": 0.1, "betas": [0.9, 0.99], "weight_steps": 2}
#: What trainers refuse because they would not look at it, and where it is told.
UNUSED = [
    *((trainer, {"sampled_cells": "connected"}) for trainer in ("darts", "gdas", "fairness")),
    *((trainer, {"candidates": 20}) for trainer in ("darts", "gdas")),
    ("fairness", {"training": {"operation_probabilities": PROBABILITIES}}),
    ("darts", {"architecture": {"tau": [5, 1]}}),
    ("darts", {"architecture": {"straight_through": "sampled"}}),
    ("gdas", {"architecture": {"order": 2}}),
]


@pytest.mark.parametrize(("trainer", "changes"), UNUSED)
def test_what_a_trainer_does_not_use_is_refused(trainer, changes):
    (section, value), *_ = changes.items()
    place = ".".join([section, *value]) if isinstance(value, dict) else section
    with pytest.raises(InputError) as raised:
        read(settings_of(trainer, **changes))
    said = str(raised.value)
    assert said.startswith(f"supernet.{place} is ")
    assert f"which trainer '{trainer}' does not use; leave it out, or take one of: " in said


@pytest.mark.parametrize("trainer", ONE_SHOT)
def test_trainers_without_architecture_weights_refuse_their_settings(trainer):
    for name, value in {**ALPHAS, "order": 2, "tau": [5, 1], "straight_through": "all"}.items():
        with pytest.raises(InputError) as raised:
            read(settings_of(trainer, architecture={name: value}))
        said = str(raised.value)
        assert said.startswith("supernet.architecture is ")
        assert (
            f"which trainer '{trainer}' does not use; leave it out, or take one of: darts" in said
        )


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_trainer_alone_has_defaults_for_all_its_settings(trainer):
    settings = read({"dataset": "toy", "trainer": trainer})
    assert settings.name == trainer
    assert settings.network == SPACES["nb201"].network()
    assert read(settings.params() | {"label": "mine"}).params() == settings.params()
    assert "label" not in settings.params()
