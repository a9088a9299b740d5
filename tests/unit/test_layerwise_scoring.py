import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from layerwise import random_genes
from layerwise_supernets import made_up_supernet, saved_supernet, score_alone
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.core.errors import InputError
from hanas.core.workers import Here
from hanas.data.batches import load_split
from hanas.data.images import save_images
from hanas.proxies import supernet
from hanas.proxies._proxy import Inputs, Work
from hanas.proxies.scoring.chain_evaluation import Pictures, with_statistics
from hanas.training.supernets import load_supernet, save_supernet


@pytest.fixture(autouse=True)
def _one_thread():
    with threads(1):  # as the workers: the last bits depend on it
        yield


CHOSEN = {
    "kind": "supernet",
    "supernet": "toy",
    "images": 16,
    "batch_size": 8,
    "calibration_images": 12,
}


def read(**changes):
    given = {**CHOSEN, "device": "cpu", **changes}
    return plugins.plugin("proxies", "supernet").read(given, "proxies.new")


def scorer(folder, weights, file, *, space="shuffle_i", kept="kept", threads=1, **changes):
    lines: list[str] = []
    made = read(**changes).on_demand_scorer(
        plugins.space(space),
        Inputs(weights=weights, images=file),
        Work(folder / kept, threads, lines.append),
    )
    return made, lines


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return saved_supernet(tmp_path_factory.mktemp("supernet"), "shuffle_i")


@pytest.fixture
def here(monkeypatch):
    """Score in this process, which is quicker than to start others."""
    monkeypatch.setattr(supernet, "Workers", lambda make, count: Here(make()))


def plainly(weights, toy_data, genes, statistics):
    network = with_statistics(load_supernet(weights).network(), statistics)
    calibration = load_split(toy_data, "train").take(12)
    split = load_split(toy_data, "validation").take(16)
    used = Pictures(split, calibration if statistics == "recalibrated" else None, 8)
    return [score_alone(network, row, used) for row in genes.tolist()]


@pytest.mark.parametrize(
    ("statistics", "workers"),
    [("batch", 0), pytest.param("recalibrated", 2, marks=pytest.mark.slow)],
)
def test_workers_give_the_bits_of_one_by_one(
    statistics, workers, weights, toy_data, toy_file, tmp_path, monkeypatch, request
):
    if not workers:
        request.getfixturevalue("here")
    monkeypatch.setattr(supernet, "PIECE", 3)
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


def test_scores_are_means_over_snapshots(toy_data, toy_file, tmp_path, here):
    both = saved_supernet(tmp_path / "both", "shuffle_i", snapshots=2)
    genes = random_genes("shuffle_i", 2)
    made, _ = scorer(tmp_path, both, toy_file)
    with made:
        found = made.score(genes)
    supernet, split = load_supernet(both), load_split(toy_data, "validation").take(16)
    assert len(supernet.earlier) == 1
    of_each = [
        [
            score_alone(with_statistics(network, "batch"), row, Pictures(split, None, 8))
            for row in genes
        ]
        for network in supernet.snapshots()
    ]
    for column, values in found.items():
        expected = [
            (first[column] + last[column]) / 2 for first, last in zip(*of_each, strict=True)
        ]
        assert values.tolist() == expected
        assert of_each[0][0][column] != of_each[1][0][column] or column == "error"
    said = "16 validation images, means over 2 snapshots of its training"
    assert made.source("error").endswith(said)


def test_what_was_scored_once_is_not_scored_again(weights, toy_file, tmp_path, monkeypatch, here):
    genes = random_genes("shuffle_i", 5)
    made, _ = scorer(tmp_path, weights, toy_file)
    with made:
        first = made.score(genes)
    monkeypatch.setattr(Here, "answers", None)
    made, lines = scorer(tmp_path, weights, toy_file, threads=4)
    with made:
        second = made.score(genes)
    assert first["cross_entropy"].tolist() == second["cross_entropy"].tolist()
    assert lines == ["5 architectures of this supernet were scored before"]


def test_scores_are_kept_for_what_they_depend_on(weights, toy_file, tmp_path, monkeypatch):
    """Each of these is a supernet, a data set or a way of its own, but for the last two."""
    nothing = SimpleNamespace(columns=("error",), pictures=None, snapshots=1)
    monkeypatch.setattr(supernet.Supernet, "evaluation", lambda *given: nothing)
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
        keys.append(made._kept._key["scores"])
    assert len(set(keys[:-2])) == len(keys) - 2
    assert keys[-2] == keys[-1] == keys[0]


def test_files_are_needed(tmp_path, toy_file):
    with pytest.raises(InputError, match="needs the files of a supernet and its data set"):
        scorer(tmp_path, None, toy_file)


@pytest.mark.parametrize("space", ["mobile_i", "nb201"])
def test_counts_are_scored_on_demand_as_in_tables(space, tmp_path):
    made_of = plugins.space(space)
    genes = np.random.default_rng(0).integers(0, made_of.choices, (5, len(made_of.choices)))
    for kind, count in (("params", made_of.params), ("flops", made_of.flops)):
        proxy = plugins.plugin("proxies", kind).read({"kind": kind})
        given = (made_of, Inputs(), Work(tmp_path, 1, pytest.fail))
        with proxy.on_demand_scorer(*given) as made:
            assert made.score(genes)["score"].tolist() == (-count(genes)).tolist()
            assert made.columns == ("score",)
            assert made.source("score").endswith("of the full-size network, computed")
        if not made_of.enumerable:
            small = proxy.read({"kind": kind, "network": {"width": 0.5, "resolution": 64}})
            network = {"width": 0.5, "resolution": 64}
            with small.on_demand_scorer(*given) as made:
                expected = -count(genes, network=network)
                assert made.score(genes)["score"].tolist() == expected.tolist()
                assert made.source("score").endswith("of the network, computed")


def test_others_score_listed_architectures_only(tmp_path):
    proxy = plugins.plugin("proxies", "naswot").read({"kind": "naswot"})
    work = Work(tmp_path, 1, pytest.fail)
    with pytest.raises(InputError, match="'naswot'; in space 'shuffle_i', which is too large"):
        proxy.on_demand_scorer(plugins.space("shuffle_i"), Inputs(), work)


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
        ({"precision": "int8"}, "precision is 'int8'; set statistics to recalibrated too"),
        ({"device": "gpu"}, "device is 'gpu'"),
    ],
)
def test_wrong_settings_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        read(**changes)


def test_weights_that_are_not_finite_are_refused_warm_and_cold(toy_file, tmp_path, here):
    supernet = made_up_supernet("shuffle_i")
    supernet.weights["classifier.bias"][0] = float("nan")
    save_supernet(supernet, tmp_path / "weights.pt")
    genes = random_genes("shuffle_i", 2)
    for _ in range(2):
        made, _ = scorer(tmp_path, tmp_path / "weights.pt", toy_file)
        with made, pytest.raises(InputError, match=r"cross_entropy of .* is not a finite number"):
            made.score(genes)


def test_images_of_any_split_and_size_are_those_asked_for(weights, toy_data, toy_file):
    for images, calibration in itertools.product((None, 5), (6, 512)):
        proxy = read(statistics="recalibrated", images=images, calibration_images=calibration)
        used = proxy.evaluation("shuffle_i", weights, toy_file, "cpu").pictures
        assert len(used.validation) == (images or 24)
        assert used.calibration is not None
        assert len(used.calibration) == min(calibration, 24)
        training = {tuple(image.ravel()) for image in toy_data.images[toy_data.splits["train"]]}
        pixels = used.calibration.pixels.numpy()
        assert {tuple(image.ravel()) for image in pixels} <= training  # as they are
