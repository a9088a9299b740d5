import itertools
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from layerwise import SPACES, genes_of, random_genes
from layerwise_supernets import made_up_supernet, saved_supernet
from toy_pictures import toy_images

from hanas import layerwise_scoring, plugins
from hanas.batches import load_split, ordered_batches
from hanas.chain_evaluation import Pictures, SharedEvaluation, score_one
from hanas.compute import threads
from hanas.errors import InputError
from hanas.images import save_images
from hanas.layerwise_scoring import LayerwiseScorer
from hanas.normalisation import STATISTICS, with_statistics
from hanas.supernets import load_supernet, save_supernet

MODES = ("batch", "batch_affine", "running")
#: Few, and no whole number of batches.
CALIBRATION, BATCH = 10, 7


@pytest.fixture(autouse=True)
def _one_thread():
    with threads(1):  # as the workers: the last bits depend on it
        yield


@cache
def pictures(statistics: str) -> Pictures:
    data = toy_images()
    training = load_split(data, "train").take(CALIBRATION)
    calibration = training if statistics == "recalibrated" else None
    return Pictures(load_split(data, "validation").take(None), calibration, BATCH)


@cache
def network_of(space: str, mode: str):
    return made_up_supernet(space, batch_norm=mode).network()


@cache
def evaluation(space: str, mode: str, statistics: str) -> SharedEvaluation:
    return SharedEvaluation(network_of(space, mode), pictures(statistics))


@cache
def one_by_one(space: str, mode: str, statistics: str, genes: tuple[int, ...]):
    network = with_statistics(network_of(space, mode), statistics)
    return score_one(network, genes, pictures(statistics))


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
@pytest.mark.parametrize("space", SPACES)
def test_shared_beginnings_give_the_bits_of_one_by_one(space, statistics):
    @settings(max_examples=8, deadline=None)
    @given(related(space))
    def whatever_the_population(population):
        found = evaluation(space, "batch", statistics).score(np.array(population))
        expected = [one_by_one(space, "batch", statistics, genes) for genes in population]
        for column, values in found.items():
            assert values.tolist() == [scores[column] for scores in expected]

    whatever_the_population()


@pytest.mark.parametrize("statistics", STATISTICS)
@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize("space", SPACES)
def test_so_they_do_whatever_batch_normalisation_was_in_training(space, mode, statistics):
    genes = random_genes(space, 5)
    genes[3:, :12] = genes[0, :12]
    found = evaluation(space, mode, statistics).score(genes)
    for row, of_row in enumerate(genes.tolist()):
        expected = one_by_one(space, mode, statistics, tuple(of_row))
        assert {name: values[row] for name, values in found.items()} == expected


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statistics", STATISTICS)
def test_nothing_is_left_in_the_network(mode, statistics):
    network = made_up_supernet("shuffle_i", batch_norm=mode).network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = SharedEvaluation(network, pictures(statistics))
    genes = random_genes("shuffle_i", 6)
    first = made.score(genes)
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    again = made.score(genes[::-1])
    for name, values in first.items():
        assert values.tolist() == again[name][::-1].tolist()
        assert len(set(first["cross_entropy"])) == 6


# ---- what is computed -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("space", SPACES)
def test_batch_statistics_are_what_the_supernet_itself_uses(space, mode):
    network = network_of(space, mode)
    for genes in random_genes(space, 3).tolist():
        wrong, loss = 0, 0.0
        for images, labels in ordered_batches(load_split(toy_images(), "validation").take(None), 7):
            with torch.no_grad():
                logits = network(images, genes)
            wrong += int((logits.argmax(dim=1) != labels).sum())
            loss += F.cross_entropy(logits.double(), labels, reduction="sum").item()
        expected = {"error": wrong / 24, "cross_entropy": loss / 24}
        assert one_by_one(space, mode, "batch", tuple(genes)) == expected


@pytest.mark.parametrize("space", SPACES)
def test_recalibrated_statistics_are_those_of_a_network_of_its_own(space):
    """PyTorch's own BN, that averages over batches where it is given no momentum."""
    supernet = made_up_supernet(space, batch_norm="running")
    data = toy_images()
    for genes in random_genes(space, 3, seed=1).tolist():
        alone = plugins.load("spaces", space).inherit(
            supernet.weights, genes, 3, supernet.network_settings
        )
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
            for images, labels in ordered_batches(load_split(data, "validation").take(None), BATCH):
                loss += F.cross_entropy(alone(images).double(), labels, reduction="sum").item()
        found = one_by_one(space, "running", "recalibrated", tuple(genes))
        assert found["cross_entropy"] == loss / 24


def test_recalibrated_statistics_are_plain_averages_over_batches():
    network = with_statistics(network_of("shuffle", "batch_affine"), "recalibrated")
    genes = random_genes("shuffle", 1)[0].tolist()
    score_one(network, genes, pictures("recalibrated"))
    convolution, norm = network.stem[0], network.stem[1]
    split = load_split(toy_images(), "train").take(CALIBRATION)
    with torch.no_grad():
        maps = [convolution(images) for images, _ in ordered_batches(split, BATCH)]
    assert len(maps) == 2
    means = torch.stack([x.mean(dim=(0, 2, 3)) for x in maps])
    variances = torch.stack([x.transpose(0, 1).flatten(1).var(dim=1) for x in maps])
    torch.testing.assert_close(norm.running_mean, means.mean(dim=0))
    torch.testing.assert_close(norm.running_var, variances.mean(dim=0))


@pytest.mark.parametrize("mode", MODES)
def test_weights_count_and_running_statistics_of_the_supernet_do_not(mode):
    """The affine part is trained; running statistics are those of all paths mixed."""
    supernet = made_up_supernet("mobile_i", batch_norm=mode)
    genes = random_genes("mobile_i", 1)
    for statistics in STATISTICS:
        before = SharedEvaluation(supernet.network(), pictures(statistics)).score(genes)
        for name, value in supernet.weights.items():
            if "running" in name:
                value.fill_(0.5)
        after = SharedEvaluation(supernet.network(), pictures(statistics)).score(genes)
        assert before["cross_entropy"] == after["cross_entropy"]
    if mode != "batch":
        affine = [name for name in supernet.weights if name == "stem.1.weight"]
        supernet.weights[affine[0]].mul_(torch.linspace(0.5, 2, len(supernet.weights[affine[0]])))
        after = SharedEvaluation(supernet.network(), pictures("recalibrated")).score(genes)
        assert before["cross_entropy"] != after["cross_entropy"]


# ---- the scorer -----------------------------------------------------------------------------

CHOSEN = {"kind": "supernet", "images": 16, "batch_size": 8, "calibration_images": 12}


def scorer(folder, weights, file, *, space="shuffle_i", kept="kept", threads=1, **changes):
    lines: list[str] = []
    made = LayerwiseScorer(
        space=space,
        settings={**CHOSEN, "device": "cpu", **changes},
        weights=weights,
        images=file,
        kept=folder / kept,
        threads=threads,
        log=lines.append,
    )
    return made, lines


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return saved_supernet(tmp_path_factory.mktemp("supernet"), "shuffle_i")


def plainly(weights, toy_data, genes, statistics):
    network = with_statistics(load_supernet(weights).network(), statistics)
    calibration = load_split(toy_data, "train").take(12)
    split = load_split(toy_data, "validation").take(16)
    used = Pictures(split, calibration if statistics == "recalibrated" else None, 8)
    return [score_one(network, row, used) for row in genes.tolist()]


@pytest.mark.parametrize(("statistics", "workers"), [("batch", 1), ("recalibrated", 3)])
def test_workers_give_the_bits_of_one_by_one(
    statistics, workers, weights, toy_data, toy_file, tmp_path, monkeypatch
):
    monkeypatch.setattr(layerwise_scoring, "PIECE", 3)
    genes = random_genes("shuffle_i", 7)
    genes[4:, :15] = genes[0, :15]
    population = genes[[5, 0, 1, 6, 1, 2, 3, 4]]  # one of them twice
    made, lines = scorer(tmp_path, weights, toy_file, statistics=statistics, threads=workers)
    with made:
        found = made.score(population)
        again = made.score(population[::-1])
    expected = plainly(weights, toy_data, population, statistics)
    for column, values in found.items():
        assert values.tolist() == [scores[column] for scores in expected]
        assert again[column].tolist() == values[::-1].tolist()
    assert [line.partition(" architectures")[0] for line in lines] == ["7 of 8"]
    said = ", batch normalisation recalibrated on 12 training images"
    assert made.source("error").endswith(
        "16 validation images" + said * (statistics == "recalibrated")
    )


def test_what_was_scored_once_needs_no_worker(weights, toy_file, tmp_path, monkeypatch):
    genes = random_genes("shuffle_i", 5)
    made, _ = scorer(tmp_path, weights, toy_file)
    with made:
        first = made.score(genes)
    monkeypatch.setattr(layerwise_scoring.Workers, "answers", None)
    made, lines = scorer(tmp_path, weights, toy_file, threads=4)
    with made:
        second = made.score(genes)
    assert first["cross_entropy"].tolist() == second["cross_entropy"].tolist()
    assert lines == ["5 architectures of this supernet were scored before"]


def test_scores_are_kept_for_what_they_depend_on(weights, toy_file, tmp_path, monkeypatch):
    """Each of these is a supernet, a data set or a way of its own, but for the last two."""
    monkeypatch.setattr(layerwise_scoring, "_Evaluator", lambda task: None)
    other_weights = saved_supernet(tmp_path / "other", "shuffle_i", seed=1)
    other_images = tmp_path / "other.pt"
    save_images(toy_images(images_each=30), other_images)
    cases = [
        ({}, weights, toy_file),
        ({"images": 15}, weights, toy_file),
        ({"images": None}, weights, toy_file),
        ({"batch_size": 7}, weights, toy_file),
        ({"statistics": "recalibrated"}, weights, toy_file),
        ({"statistics": "recalibrated", "calibration_images": 11}, weights, toy_file),
        ({"statistics": "recalibrated", "precision": "int8"}, weights, toy_file),
        ({}, other_weights, toy_file),
        ({}, weights, other_images),
        ({"calibration_images": 11}, weights, toy_file),
        ({"label": "a name", "threads": 3}, weights, toy_file),
    ]
    keys = []
    for changes, of_weights, of_images in cases:
        made, _ = scorer(tmp_path, of_weights, of_images, **changes)
        keys.append(made._store._key)
    assert len(set(keys[:-2])) == len(keys) - 2
    assert keys[-2] == keys[-1] == keys[0]


def test_files_that_do_not_fit_are_refused(weights, toy_file, tmp_path):
    with pytest.raises(InputError, match="is a supernet of shuffle_i, not of shuffle"):
        scorer(tmp_path, weights, toy_file, space="shuffle")
    save_images(toy_images(classes=4), tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"knows 3 classes, but .*other.pt has 4"):
        scorer(tmp_path, weights, tmp_path / "other.pt")
    (tmp_path / "broken.pt").write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match="not readable as a supernet"):
        scorer(tmp_path, tmp_path / "broken.pt", toy_file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": 0}, "images is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"statistics": "running"}, "statistics is 'running'; expected one of: batch, recal"),
        ({"calibration_images": 0}, "calibration_images is 0"),
        ({"precision": "mixed"}, "precision is 'mixed'; expected one of: float32, int8"),
        ({"precision": "int8"}, "fixed statistics: set statistics to recalibrated"),
        ({"device": "gpu"}, "device is 'gpu'"),
    ],
)
def test_wrong_settings_are_named(changes, message, weights, toy_file, tmp_path):
    with pytest.raises(InputError, match=message):
        scorer(tmp_path, weights, toy_file, **changes)


def test_weights_that_are_not_finite_are_refused_warm_and_cold(toy_file, tmp_path):
    supernet = made_up_supernet("shuffle_i")
    supernet.weights["classifier.bias"][0] = float("nan")
    save_supernet(supernet, tmp_path / "weights.pt")
    genes = random_genes("shuffle_i", 2)
    for _ in range(2):
        made, _ = scorer(tmp_path, tmp_path / "weights.pt", toy_file)
        with made, pytest.raises(InputError, match=r"cross_entropy of .* is not a finite number"):
            made.score(genes)


def test_images_of_any_split_and_size_are_those_asked_for(weights, toy_data, toy_file):
    supernet = load_supernet(weights)
    chosen = layerwise_scoring.LayerwiseSettings(statistics="recalibrated", device="cpu")
    for images, calibration in itertools.product((None, 5), (6, 512)):
        changed = {"images": images, "calibration_images": calibration}
        used = layerwise_scoring.pictures_for(
            supernet, toy_file, type(chosen)(**{**vars(chosen), **changed})
        )
        assert len(used.validation) == (images or 24)
        assert used.calibration is not None
        assert len(used.calibration) == min(calibration, 24)
        training = {tuple(image.ravel()) for image in toy_data.images[toy_data.splits["train"]]}
        pixels = used.calibration.pixels.numpy()
        assert {tuple(image.ravel()) for image in pixels} <= training  # as they are
