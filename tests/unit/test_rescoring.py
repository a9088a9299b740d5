"""Fronts of supernets are scored again, with standard errors over images."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layerwise import random_genes
from layerwise_supernets import saved_supernet
from nb201_space import nb201
from scipy import stats
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.data.batches import load_split
from hanas.data.images import save_images
from hanas.fronts import trust_of_accuracy
from hanas.fronts.rescoring import believe, rescore, standard_error, with_errors
from hanas.proxies._proxy import Inputs, Work
from hanas.proxies.scoring.each_image import for_rescoring

ARCHS = list(nb201.all_texts()[:4])


@given(st.integers(2, 30), st.integers(0, 99))
def test_standard_errors_agree_with_scipy(images, seed):
    values = np.random.default_rng(seed).random((3, images))
    np.testing.assert_allclose(standard_error(values), stats.sem(values, axis=1))
    assert np.isnan(standard_error(values[:, :1])).all()


def history_of(archs, errors, latencies):
    columns = {"seed": 0, "evaluation": range(len(archs)), "generation": 0, "arch": archs}
    frame = pd.DataFrame({**columns, "error": errors, "latency_ms": latencies})
    return frame.assign(feasible=True, score=np.nan)


@pytest.fixture
def rescored():
    """Three networks on four images, the front of one search; a fourth is dominated."""
    found = history_of(ARCHS, [0.1, 0.2, 0.3, 0.9], [3.0, 2.0, 1.0, 9.0])
    wrong = {ARCHS[0]: [0, 0, 0, 1], ARCHS[1]: [0, 0, 1, 0], ARCHS[2]: [1, 1, 1, 0]}
    texts = {tuple(nb201.from_text(arch)): arch for arch in ARCHS}

    def losses(genes):
        return np.array([wrong[texts[tuple(row)]] for row in genes.tolist()], dtype=float)

    again = SimpleNamespace(losses=losses, objective="error", images=4, seen=0)
    return rescore({"nsga2": found}, nb201, again)


def test_values_and_paired_differences_by_hand(rescored):
    table, differences = rescored
    assert table["arch"].tolist() == ARCHS[:3]
    assert table["value"].tolist() == [0.25, 0.25, 0.75]
    assert table["standard_error"].tolist() == pytest.approx([0.25, 0.25, 0.25])
    # 0 0 -1 1, then -1 -1 -1 1: standard deviations .816 and 1, of four images
    assert differences["difference"].tolist() == [0, -0.5, -0.5]
    assert differences["standard_error"].tolist() == pytest.approx(
        [np.sqrt(2 / 3) / 2, 0.5, np.sqrt(1 / 3) / 2]
    )


def test_networks_closer_than_the_error_of_their_difference_are_ties(rescored):
    front = pd.DataFrame({"arch": ARCHS[:3], "latency_ms": [3.0, 2.0, 1.0]})
    shown = with_errors(front, *rescored)
    # .5 is no closer than .5; .5 is further than .29
    assert shown["ties"].tolist() == ["; ".join(ARCHS[1:3]), ARCHS[0], ARCHS[0]]
    assert shown["rescored_value"].tolist() == [0.25, 0.25, 0.75]
    assert shown["rescored_difference"].tolist() == [0, 0, 0.5]
    assert shown["rescored_images"].tolist() == [4, 4, 4]


def test_what_a_learned_model_does_not_know_of_two_together_decides_on_ties():
    """All three errors are unsure by .1; two of them nearly together, so told apart."""
    covariance = np.array([[1, 0.995, 0], [0.995, 1, 0], [0, 0, 1]]) * 0.01
    learned = SimpleNamespace(believed=lambda genes: (np.array([0.1, 0.13, 0.22]), covariance))
    history = history_of(ARCHS[:3], [0.1, 0.13, 0.22], [3.0, 2.0, 1.0])
    table, differences = believe({"s": history}, nb201, learned)
    assert table["standard_error"].tolist() == pytest.approx([0.1] * 3)
    expected = [np.sqrt(0.0001), np.sqrt(0.02), np.sqrt(0.02)]
    assert differences["standard_error"].tolist() == pytest.approx(expected)
    assert differences["difference"].tolist() == pytest.approx([-0.03, -0.12, -0.09])
    front = with_errors(pd.DataFrame({"arch": ARCHS[:3]}), table, differences)
    assert front["ties"].tolist() == [ARCHS[2], ARCHS[2], f"{ARCHS[0]}; {ARCHS[1]}"]
    (doubt,) = trust_of_accuracy.of_rescored(table, differences, "of task t").doubts
    assert "are all alike" in doubt
    assert "train more networks" in doubt


@pytest.fixture
def images(tmp_path):
    save_images(toy_images(), tmp_path / "images.pt")
    return tmp_path / "images.pt"


@pytest.mark.parametrize(
    ("searched_on", "count", "seen"), [(8, 16, 0), (12, 12, 0), (20, 24, 20), (None, 24, 24)]
)
def test_images_that_the_search_did_not_see(searched_on, count, seen):
    validation = load_split(toy_images(), "validation").take(None)
    chosen, saw = for_rescoring(validation, searched_on)
    assert (len(chosen), saw) == (count, seen)
    if not seen:
        its_own = validation.take(None)  # nothing of what the search took is among them
        seen_pixels = {tuple(row.flatten().tolist()) for row in validation.pixels[:searched_on]}
        assert len(its_own) == 24
        assert not seen_pixels & {tuple(row.flatten().tolist()) for row in chosen.pixels}


def test_what_a_search_saw_is_left_out_of_the_split_as_it_is_taken():
    split = load_split(toy_images(), "validation")
    seen = {tuple(row.flatten().tolist()) for row in split.take(8).pixels}
    again, _ = for_rescoring(split.take(None), 8)
    assert not seen & {tuple(row.flatten().tolist()) for row in again.pixels}


@pytest.mark.parametrize("objective", ["error", "cross_entropy"])
@pytest.mark.parametrize("statistics", ["batch", "recalibrated"])
def test_means_over_images_are_the_scores_of_a_search(tmp_path, images, objective, statistics):
    weights = saved_supernet(tmp_path / "supernet", "shuffle_i")
    given = {"kind": "supernet", "supernet": "toy", "images": None, "batch_size": 8}
    how = {"objective": objective, "statistics": statistics, "device": "cpu"}
    proxy = plugins.plugin("proxies", "supernet").read({**given, **how, "calibration_images": 12})
    space, genes = plugins.space("shuffle_i"), random_genes("shuffle_i", 3)
    inputs, work = Inputs(weights=weights, images=images), Work(tmp_path / "k", 1, lambda _: None)
    with threads(1), proxy.each_image(space, inputs, work) as again:
        losses = again.losses(genes)
        assert (losses.shape, again.seen) == ((3, 24), 24)
        validation = load_split(toy_images(), "validation").take(None)
        evaluation = proxy.evaluation("shuffle_i", weights, images, "cpu", validation=validation)
        np.testing.assert_allclose(losses.mean(axis=1), evaluation(genes)[objective])


@pytest.mark.parametrize("objective", ["error", "cross_entropy", "centred_cross_entropy"])
def test_means_over_images_are_the_scores_of_cells(tmp_path, images, trained, objective):
    from hanas.proxies.scoring.cells import SupernetScorer

    weights = trained("gdas") / "weights"
    given = {"kind": "supernet", "supernet": "toy", "batch_size": 8, "device": "cpu"}
    proxy = plugins.plugin("proxies", "supernet").read({**given, "objective": objective})
    genes = nb201.all_genes()
    genes = genes[(genes[:, :3] == [3, 2, 1]).all(axis=1)][40:43]  # of one group
    with threads(1):
        work = Work(tmp_path, 1, lambda _: None)
        with proxy.each_image(nb201, Inputs(weights, images), work) as again:
            losses = again.losses(genes)
        expected = SupernetScorer(nb201, weights, images, None, 8, "cpu")(genes)[objective]
    np.testing.assert_allclose(losses.mean(axis=1), expected, rtol=1e-12)
