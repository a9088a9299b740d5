from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from inheriting import inherit
from layerwise import COSTLY_SPACES, genes_of, random_genes
from layerwise_supernets import made_up_supernet, score_alone
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.data.batches import load_split, ordered_batches
from hanas.proxies.scoring.chain_evaluation import (
    STATISTICS,
    Pictures,
    SharedEvaluation,
    with_statistics,
)

MODES = ("batch", "batch_affine", "running")
#: Few, and no whole number of batches.
VALIDATION, CALIBRATION, BATCH = 12, 10, 7


@pytest.fixture(autouse=True)
def _one_thread():
    with threads(1):  # as the workers: the last bits depend on it
        yield


@cache
def pictures(statistics: str) -> Pictures:
    data = toy_images()
    training = load_split(data, "train").take(CALIBRATION)
    calibration = training if statistics == "recalibrated" else None
    return Pictures(load_split(data, "validation").take(VALIDATION), calibration, BATCH)


@cache
def network_of(space: str, mode: str):
    return made_up_supernet(space, batch_norm=mode).network()


@cache
def evaluation(space: str, mode: str, statistics: str) -> SharedEvaluation:
    return SharedEvaluation(network_of(space, mode), pictures(statistics))


@cache
def one_by_one(space: str, mode: str, statistics: str, genes: tuple[int, ...]):
    network = with_statistics(network_of(space, mode), statistics)
    return score_alone(network, genes, pictures(statistics))


def related(space: str):
    """Populations as a search makes them: children of few parents, copies too, in any order."""
    parents = st.lists(genes_of(space), min_size=1, max_size=2)
    cuts = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1), st.integers(0, 1)), max_size=3)

    def population(drawn):
        parents, cuts = drawn
        first, last = parents[0], parents[-1]
        mixed = [(first, last)[a][:cut] + (first, last)[b][cut:] for cut, a, b in cuts]
        return [*parents, *mixed]

    return st.tuples(parents, cuts).map(population).flatmap(st.permutations)


# ---- shared beginnings ----------------------------------------------------------------------


@pytest.mark.parametrize("statistics", STATISTICS)
@pytest.mark.parametrize("space", COSTLY_SPACES)
def test_shared_beginnings_give_the_bits_of_one_by_one(space, statistics):
    @settings(max_examples=3, deadline=None)
    @given(related(space))
    def whatever_the_population(population):
        found = evaluation(space, "batch", statistics)(np.array(population))
        expected = [one_by_one(space, "batch", statistics, genes) for genes in population]
        for column, values in found.items():
            assert values.tolist() == [scores[column] for scores in expected]

    whatever_the_population()


@pytest.mark.parametrize("statistics", STATISTICS)
@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize("space", COSTLY_SPACES)
def test_so_they_do_whatever_batch_normalisation_was_in_training(space, mode, statistics):
    genes = random_genes(space, 3)
    genes[1, :12] = genes[0, :12]
    found = evaluation(space, mode, statistics)(genes)
    for row, of_row in enumerate(genes.tolist()):
        expected = one_by_one(space, mode, statistics, tuple(of_row))
        assert {name: values[row] for name, values in found.items()} == expected


@pytest.mark.parametrize(
    ("mode", "statistics"),
    [("batch", "recalibrated"), ("running", "batch"), ("running", "recalibrated")],
)
def test_nothing_is_left_in_the_network(mode, statistics):
    network = made_up_supernet("shuffle_i", batch_norm=mode).network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = SharedEvaluation(network, pictures(statistics))
    genes = random_genes("shuffle_i", 3)
    first = made(genes)
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    again = made(genes[::-1])
    for name, values in first.items():
        assert values.tolist() == again[name][::-1].tolist()
        assert len(set(first["cross_entropy"])) == 3


# ---- what is computed -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("space", COSTLY_SPACES)
def test_batch_statistics_are_what_the_supernet_itself_uses(space, mode):
    network = network_of(space, mode)
    for genes in random_genes(space, 2).tolist():
        wrong, loss, centred = 0, 0.0, 0.0
        for images, labels in pictures("batch").validation_batches():
            with torch.no_grad():
                logits = network(images, genes)
            wrong += int((logits.argmax(dim=1) != labels).sum())
            logits = logits.double()
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            logits = logits - logits.mean(dim=0)
            centred += F.cross_entropy(logits, labels, reduction="sum").item()
        expected = {"error": wrong / VALIDATION, "cross_entropy": loss / VALIDATION}
        expected["centred_cross_entropy"] = centred / VALIDATION
        assert one_by_one(space, mode, "batch", tuple(genes)) == expected


@pytest.mark.parametrize("space", COSTLY_SPACES)
def test_recalibrated_statistics_are_those_of_a_network_of_its_own(space):
    """PyTorch's own BN, that averages over batches where it is given no momentum."""
    supernet = made_up_supernet(space, batch_norm="running")
    data = toy_images()
    for genes in random_genes(space, 2, seed=1).tolist():
        alone = inherit(plugins.space(space), supernet.weights, genes, 3, supernet.network_settings)
        alone = alone.to(memory_format=torch.channels_last).train()
        for module in alone.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None
        with torch.no_grad():
            for images, _ in ordered_batches(load_split(data, "train").take(CALIBRATION), BATCH):
                alone(images)
            alone.eval()
            loss = 0.0
            for images, labels in pictures("recalibrated").validation_batches():
                loss += F.cross_entropy(alone(images).double(), labels, reduction="sum").item()
        found = one_by_one(space, "running", "recalibrated", tuple(genes))
        assert found["cross_entropy"] == loss / VALIDATION


def test_recalibrated_statistics_are_plain_averages_over_batches():
    network = with_statistics(network_of("shuffle", "batch_affine"), "recalibrated")
    genes = random_genes("shuffle", 1)[0].tolist()
    score_alone(network, genes, pictures("recalibrated"))
    convolution, norm = network.stem[0], network.stem[1]
    split = load_split(toy_images(), "train").take(CALIBRATION)
    with torch.no_grad():
        maps = [convolution(images) for images, _ in ordered_batches(split, BATCH)]
    assert len(maps) == 2
    means = torch.stack([x.mean(dim=(0, 2, 3)) for x in maps])
    variances = torch.stack([x.transpose(0, 1).flatten(1).var(dim=1) for x in maps])
    torch.testing.assert_close(norm.running_mean, means.mean(dim=0))
    torch.testing.assert_close(norm.running_var, variances.mean(dim=0))


@pytest.mark.parametrize(
    "mode", [*(pytest.param(mode, marks=pytest.mark.slow) for mode in MODES[:2]), MODES[2]]
)
def test_weights_count_and_running_statistics_of_the_supernet_do_not(mode):
    """The affine part is trained; running statistics are those of all paths mixed."""
    supernet = made_up_supernet("mobile_i", batch_norm=mode)
    genes = random_genes("mobile_i", 1)
    for statistics in STATISTICS if mode == "running" else ["recalibrated"]:
        before = SharedEvaluation(supernet.network(), pictures(statistics))(genes)
        for name, value in supernet.weights.items():
            if "running" in name:
                value.fill_(0.5)
        after = SharedEvaluation(supernet.network(), pictures(statistics))(genes)
        assert before["cross_entropy"] == after["cross_entropy"]
    if mode != "batch":
        scale = supernet.weights["stem.1.weight"]
        scale.mul_(torch.linspace(0.5, 2, len(scale)))
        after = SharedEvaluation(supernet.network(), pictures("recalibrated"))(genes)
        assert before["cross_entropy"] != after["cross_entropy"]
