"""Supernets whose channels and depth are searched: members are slices, bit for bit."""

import copy
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from layerwise_supernets import made_up_supernet
from searched_sizes import DECLARATION, genes, random_genes
from torch import nn
from toy_pictures import toy_images
from toy_supernets import read, results, settings_of, train

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.core.errors import InputError
from hanas.data.batches import load_split
from hanas.data.images import save_images
from hanas.proxies.scoring.chain_evaluation import Pictures, SharedEvaluation
from hanas.spaces.networks.elastic import member_weights

MODES = ("batch", "batch_affine")


@pytest.fixture(autouse=True)
def _declared(monkeypatch):
    monkeypatch.setenv(plugins.SPACES_VARIABLE, json.dumps({"sized": DECLARATION}))
    with threads(1):
        yield


def space():
    return plugins.space("sized")


def network_of(mode: str, width: float = 1.0) -> dict:
    return {"width": width, "batch_norm": mode, "resolution": 8}


def images(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def supernet(mode: str, width: float = 1.0, layout=torch.channels_last) -> nn.Module:
    made = space().supernet(3, network_of(mode, width), seed=1)
    with torch.no_grad():
        for weight in made.parameters():  # affine parts too
            weight.add_(torch.linspace(-0.1, 0.1, weight.numel()).view_as(weight))
    return made.to(memory_format=layout)


def member(shared: nn.Module, row, mode: str, width: float = 1.0, layout=torch.channels_last):
    alone = space().build(row, 3, network_of(mode, width))
    alone.load_state_dict(
        member_weights(space(), shared.state_dict(), row, network_of(mode, width))
    )
    return alone.to(memory_format=layout)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("mode", "width"), [("batch", 1.0), ("batch_affine", 0.7)])
def test_a_stand_alone_network_is_the_slice_bit_for_bit(mode, width, layout):
    shared = supernet(mode, width, layout)

    @settings(max_examples=8, deadline=None)
    @given(row=genes())
    def check(row):
        alone = member(shared, row, mode, width, layout)
        for is_training in (True, False):
            shared.train(is_training)
            alone.train(is_training)
            with torch.set_grad_enabled(is_training):
                assert torch.equal(shared(images(), row), alone(images()))

    check()


@pytest.mark.parametrize("mode", MODES)
def test_a_step_of_training_moves_the_slice_alone_and_as_alone(mode):
    for row in random_genes(3):
        shared = supernet(mode)
        before = copy.deepcopy(shared.state_dict())
        alone = member(shared, row, mode)
        for network, chosen in ((shared, (row,)), (alone, ())):
            optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
            F.cross_entropy(network(images(), *chosen), torch.arange(4) % 3).backward()
            optimizer.step()
        moved = member_weights(space(), shared.state_dict(), row, network_of(mode))
        for name, weight in alone.state_dict().items():
            assert torch.equal(moved[name], weight), name
        # Elsewhere nothing moved: what is not of the slice is what it was.
        still = copy.deepcopy(before)
        marked = {name: torch.zeros_like(weight) for name, weight in before.items()}
        layers = np.flatnonzero(space().chains(row[None]).there[0])
        for name, weight in alone.state_dict().items():
            parts = name.split(".")
            if parts[0] == "layers":
                parts[1] = str(layers[int(parts[1])])
            marked[".".join(parts)][tuple(slice(size) for size in weight.shape)] = 1
        for name, weight in shared.state_dict().items():
            assert torch.equal(weight[marked[name] == 0], still[name][marked[name] == 0]), name
        assert any((weight != still[name]).any() for name, weight in shared.state_dict().items())


def test_weights_are_those_of_the_largest_chain():
    shared = supernet("batch_affine")
    with torch.device("meta"):
        largest = space().build(space().largest, 3, network_of("batch_affine"))
    shapes = {name: tuple(weight.shape) for name, weight in shared.state_dict().items()}
    for name, weight in largest.state_dict().items():
        assert shapes[name] == tuple(weight.shape), name


def test_members_have_the_parameters_that_the_space_counts():
    for row in random_genes(10):
        alone = space().build(row, 3, network_of("batch_affine"))
        counted = sum(weight.numel() for weight in alone.parameters())
        assert space().params(row[None], 3, network=network_of("batch_affine"))[0] == counted


def test_members_have_different_channels_and_depths():
    seen = set()
    for row in random_genes(40):
        skeleton = space().skeleton_of(row)
        seen.add(tuple((stage.channels, stage.layers) for stage in skeleton.stages))
    assert len(seen) > 10


def test_genes_of_layers_that_are_left_out_change_nothing():
    shared = supernet("batch").eval()
    for row in random_genes(10):
        tidy = space().tidy(row[None])[0]
        assert torch.equal(shared(images(), row), shared(images(), tidy))


def test_running_statistics_are_refused_where_channels_are_searched():
    with pytest.raises(InputError, match=r"batch_norm is 'running', but in sized channels are"):
        space().supernet(3, network_of("running"))
    given = settings_of("spos", "sized", network={"batch_norm": "running"})
    with pytest.raises(InputError, match=r"network\.batch_norm.*\(of stage 1, 2\).*mixture"):
        read(given)
    space().build(space().largest, 3, network_of("running"))


def test_of_searched_depth_alone_running_statistics_can_be(monkeypatch):
    stages = [{**stage, "channels": 8} for stage in DECLARATION["stages"]]
    declared = {"sized": {**DECLARATION, "stages": stages}}
    monkeypatch.setenv(plugins.SPACES_VARIABLE, json.dumps(declared))
    shared = supernet("running").train()
    for row in random_genes(20):
        shared(images(), row)
    shared.eval()
    for row in random_genes(5):
        alone = member(shared, row, "running").eval()
        assert torch.equal(shared(images(), row), alone(images()))


# ---- trainers -------------------------------------------------------------------------------


@pytest.fixture
def toy_file(tmp_path):
    save_images(toy_images(), tmp_path / "toy.pt")
    return tmp_path / "toy.pt"


def sized(trainer: str, **changes) -> dict:
    return settings_of(trainer, "sized", network={"batch_norm": "batch_affine"}, **changes)


@pytest.mark.parametrize(
    "trainer",
    ["sandwich", *(pytest.param(name, marks=pytest.mark.slow) for name in ("spos", "fairness"))],
)
def test_it_is_trained_and_equal_settings_give_equal_weights(trainer, toy_file, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        train(sized(trainer), toy_file, tmp_path / name)
    assert results(tmp_path / "a") == results(tmp_path / "b")
    found = json.loads((tmp_path / "a" / "found").read_text())
    assert len(space().from_text(found["arch"])) == len(space().choices)
    assert "random architectures" in found["how"]


@pytest.mark.parametrize("trainer", ["darts", "gdas"])
def test_trainers_of_cells_say_which_can(trainer):
    with pytest.raises(InputError, match=r"expected one of: fairness, sandwich, spos"):
        read(sized(trainer))


def test_sandwiches_hold_the_largest_and_the_smallest(toy_file, monkeypatch):
    from hanas.training.supernets import prepare

    run = prepare(read(sized("sandwich")), toy_file)
    seen, forward = [], type(run.network).forward
    monkeypatch.setattr(
        type(run.network),
        "forward",
        lambda network, x, genes: (seen.append(tuple(genes)), forward(network, x, genes))[1],
    )
    run.trainer.begin_epoch(run, 0)(0, run.train_batches(0)(0))
    assert seen[:2] == [space().largest, space().smallest]
    assert len(seen) == 4


def test_operation_probabilities_leave_sizes_equally_likely(toy_file):
    from hanas.training.supernets import prepare

    names = space().operations
    shares = {name: (number + 1) / sum(range(len(names) + 1)) for number, name in enumerate(names)}
    run = prepare(read(sized("spos", training={"operation_probabilities": shares})), toy_file)
    found = run.alphas.detach().softmax(dim=1)
    for gene, count in enumerate(space().choices):
        options = space().options(gene)
        expected = np.array([shares.get(name, 1) for name in options])
        assert found[gene, :count].numpy() == pytest.approx(expected / expected.sum())
        assert not found[gene, count:].any()


# ---- scores ---------------------------------------------------------------------------------


def pictures(*, recalibrated: bool, int8: bool) -> Pictures:
    data = toy_images()
    calibration = load_split(data, "train").take(10) if recalibrated else None
    return Pictures(load_split(data, "validation").take(12), calibration, 7, int8=int8)


@pytest.mark.parametrize(
    ("mode", "recalibrated", "int8"),
    [
        ("batch", False, False),
        ("batch_affine", True, True),  # with the scores of float32 as well
        pytest.param("batch_affine", False, False, marks=pytest.mark.slow),
        pytest.param("batch", True, True, marks=pytest.mark.slow),
    ],
)
def test_scores_are_those_of_stand_alone_networks(mode, recalibrated, int8):
    given, shown = network_of(mode), pictures(recalibrated=recalibrated, int8=int8)
    shared = made_up_supernet("sized", network=given).network()
    before = {name: weight.clone() for name, weight in shared.state_dict().items()}
    # Beginnings are shared by some, and some are the same chain.
    population = np.repeat(random_genes(3), 3, axis=0)
    half = population.shape[1] // 2
    population[1::3, half:] = random_genes(3, seed=1)[:, half:]
    population[2::3, 0] = 0
    found = SharedEvaluation(shared, shown)(population)
    for row, of_row in enumerate(population):
        alone = member(shared, of_row, mode).eval()
        # As a supernet with one architecture.
        held = np.zeros((1, len(alone.genes)), dtype=np.int64) + np.array(alone.genes)
        expected = SharedEvaluation(alone, shown)(held)
        for column, values in found.items():
            assert values[row] == expected[column][0], column
    assert len(set(found["cross_entropy"])) > 4
    for name, weight in shared.state_dict().items():
        assert torch.equal(weight, before[name])


def test_means_over_snapshots_and_scores_of_each_image():
    from hanas.proxies.scoring.chain_evaluation import MeanEvaluation

    supernet = made_up_supernet("sized", network=network_of("batch"), snapshots=2)
    shown, rows = pictures(recalibrated=True, int8=False), random_genes(3)
    both = MeanEvaluation(supernet.snapshots(), shown)
    each = [SharedEvaluation(network, shown)(rows) for network in supernet.snapshots()]
    for column, values in both(rows).items():
        assert values == pytest.approx(np.mean([of[column] for of in each], axis=0))
        assert both.each_image(rows)[column].mean(axis=1) == pytest.approx(values)
