"""Accuracy of layer-wise networks, learned from a few: which are trained, and what is expected."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.gaussian_process import OF_ALL_POINTS, fit
from hanas.core.pareto import non_dominated
from hanas.fronts.truth import normalised_hypervolume
from hanas.proxies._proxy import Inputs, Part, Work
from hanas.proxies.learned import Learned
from hanas.proxies.scoring import chain_learning
from hanas.proxies.scoring.chain_learning import (
    ChainModel,
    choose,
    first_chains,
    pool_of,
    trained,
)
from hanas.proxies.scoring.chain_scores import SCORED, ChainScores
from hanas.spaces._stage_features import StageFeatures

MACRO, MOBILE = plugins.space("nas_bench_macro"), plugins.space("mobile_i")
SETTINGS = {"kind": "learned", "space": "mobile_i", "trainings": {"network": {"width": 0.25}}}


def made_up_errors(genes: np.ndarray) -> np.ndarray:
    """Return errors that fall with depth, and with it alone."""
    return 0.5 / (1 + (genes != 0).sum(axis=1))


def test_features_are_what_stages_hold():
    genes = np.array([MACRO.from_text(text) for text in ("00000000", "10000000", "01000000")])
    none, first, second = StageFeatures(MACRO)(genes)
    changed = np.flatnonzero(first != second)
    assert len(changed) == 1  # they differ in where the block of the first stage is
    assert (none <= first).all()
    # Of three stages each: depth, MB6 (whose kernel and expansion are the same), a first block;
    # and twice the depth of the whole.
    assert StageFeatures(MACRO)(MACRO.all_genes()).shape == (6561, 3 * 3 + 2)


def test_features_are_standardised_over_the_space():
    features = StageFeatures(MACRO)(MACRO.all_genes())
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=0.05)


@given(st.integers(0, 2**32 - 1), st.integers(4, 20))
@settings(max_examples=10, deadline=None)
def test_leaving_one_out_is_fitting_without_it(seed, count):
    """With the same parameters: by the formula, and by predicting each from all others."""
    rng = np.random.default_rng(seed)
    group, values = rng.normal(size=(count, 3)), rng.normal(size=count)
    posterior = fit([group], np.arange(count), values)
    noise = OF_ALL_POINTS.noise_of(posterior.parameters)
    centred = (values - posterior.centre) / posterior.scale
    for row, expected in enumerate(posterior.leave_one_out(values)):
        others = np.arange(count) != row
        among = OF_ALL_POINTS.covariance([group[others]], [group[others]], posterior.parameters)
        to_row = OF_ALL_POINTS.covariance([group[[row]]], [group[others]], posterior.parameters)
        weights = np.linalg.solve(among + noise * np.eye(count - 1), centred[others])
        by_hand = posterior.centre + posterior.scale * (to_row @ weights).item()
        assert expected == pytest.approx(by_hand, rel=1e-5, abs=1e-7)


def test_any_point_is_expected_as_a_known_one():
    rng = np.random.default_rng(0)
    group, values = rng.normal(size=(30, 4)), rng.normal(size=10)
    posterior = fit([group], np.arange(10), values)
    np.testing.assert_allclose(posterior.expected([group]), posterior.mean, rtol=1e-12)


def test_fewer_first_ones_are_the_first_of_more():
    few, many = (first_chains(MOBILE, count, 3) for count in (4, 9))
    assert many[:4].tolist() == few.tolist()
    assert first_chains(MOBILE, 4, 4).tolist() != few.tolist()


def test_candidates_of_a_large_space_are_of_all_depths():
    pool = pool_of(MOBILE, 400, 0)
    identity = MOBILE.operations.index("identity")
    depths = (pool != identity).sum(axis=1)
    assert depths.min() == 5  # the first layers of five stages
    assert depths.max() == 20
    assert len(np.unique(pool, axis=0)) == len(pool)
    assert (pool < np.array(MOBILE.choices)).all()


def test_later_rounds_look_where_the_front_may_be():
    genes = first_chains(MACRO, 10, 0)
    model = ChainModel(MACRO, genes, made_up_errors(genes))
    pool = pool_of(MACRO, 2000, 0)
    chosen = model.front_to_be(pool, 8, MACRO.deployed())
    seen = {tuple(row) for row in genes.tolist()}
    assert not seen & {tuple(row) for row in chosen.tolist()}
    assert len(np.unique(chosen, axis=0)) == 8
    error = model.error(pool)
    costs = np.column_stack([error, MACRO.flops(pool), MACRO.params(pool)])
    front = pool[non_dominated(costs)]
    on_front = {tuple(row) for row in front.tolist()}
    assert sum(tuple(row) in on_front for row in chosen.tolist()) >= 4


def test_what_was_trained_is_no_longer_expected_but_known(tmp_path):
    genes = first_chains(MACRO, 6, 0)
    percent = 100 * (1 - made_up_errors(genes))
    for number, (row, value) in enumerate(zip(genes, percent, strict=True)):
        line = {"arch": MACRO.to_text(row), "validation_accuracy_percent": value}
        line |= {"validation_images": 10_000, "source": "made up", "judged_by": "accuracy"}
        pd.DataFrame([line]).to_csv(tmp_path / f"{number}.csv", index=False)
    files = sorted(tmp_path.glob("*.csv"))
    known = trained(files)
    assert known["arch"].tolist() == [MACRO.to_text(row) for row in genes]  # digits stay text
    np.testing.assert_allclose(known["error"], made_up_errors(genes), atol=1e-4)
    model = chain_learning.model_of(MACRO, known)
    assert (
        np.corrcoef(model.error(MACRO.all_genes()), made_up_errors(MACRO.all_genes()))[0, 1] > 0.9
    )


def test_no_wrong_image_of_few_is_not_no_error(tmp_path):
    line = {"arch": "00000000", "validation_accuracy_percent": 100.0, "validation_images": 9}
    pd.DataFrame([line | {"source": "x", "judged_by": "accuracy"}]).to_csv(
        tmp_path / "0.csv", index=False
    )
    assert trained([tmp_path / "0.csv"])["error"].tolist() == [0.05]


def trainings(folder, percents, **columns):
    for number, percent in enumerate(percents):
        line = {"arch": str(number) * 8, "validation_accuracy_percent": percent}
        line |= {"validation_images": 68, "source": "made up", "judged_by": "accuracy", **columns}
        pd.DataFrame([line]).to_csv(folder / f"{number}.csv", index=False)
    return trained(sorted(folder.glob("*.csv")))


def test_trainings_that_are_all_alike_teach_nothing(tmp_path):
    said = "always answering 'good' would score 91.18 %"
    known = trainings(tmp_path, [91.176, 91.176], validation_warning=said)
    # Not 90.58 %, which is what is left of it with half an image more that is wrong.
    expected = rf"all 2 .* accuracy of 91\.18 % \({said}\), .*raise trainings.*class_weights"
    with pytest.raises(InputError, match=expected):
        choose(MACRO, [2, 1], 0, MACRO.deployed(), known)


def test_networks_that_are_hardly_better_than_the_largest_class_are_counted(tmp_path):
    work = Work(Path(), 1, lambda line: None)
    for warning, count in (("always answering 'good'", 3), ("", 0)):
        known = trainings(tmp_path, [50.0, 60.0, 90.0], validation_warning=warning)
        facts = chain_learning.Expected(MACRO, known, "x", work).facts
        assert facts["hardly_better_than_largest_class"] == count


def test_what_is_not_known_of_errors_is_that_of_their_logarithms():
    """To first order: a deviation of d of the logarithm is one of d times the error."""
    genes = first_chains(MACRO, 20, 0)
    model = ChainModel(MACRO, genes[:12], made_up_errors(genes[:12]))
    every = model._features(genes)
    posterior = fit(every, np.arange(12), np.log(model.errors))
    of_logarithms = posterior.deviation(np.arange(20))
    covariance = model.covariance(genes)
    np.testing.assert_allclose(np.diag(covariance), (of_logarithms * model.error(genes)) ** 2)
    assert (np.linalg.eigvalsh(covariance) > -1e-12).all()


def test_where_classes_are_weighed_balanced_accuracies_are_learned_from(tmp_path):
    """One class alone scores 90 %: by plain accuracy, none of the three has learned anything."""
    told = {"judged_by": "balanced", "validation_class_percent": '{"a": 1.0, "b": 1.0, "c": null}'}
    for number, percent in enumerate((50.0, 60.0, 80.0)):  # 80 % of 68 images: 13.6 are wrong
        line = {"arch": str(number) * 8, "validation_accuracy_percent": 90.0 - number, **told}
        line |= {"validation_balanced_percent": percent, "validation_warning": "90 % alone"}
        line |= {"validation_images": 68, "source": "made up"}
        pd.DataFrame([line]).to_csv(tmp_path / f"{number}.csv", index=False)
    known = trained(sorted(tmp_path.glob("*.csv")))
    assert known["error"].to_list() == pytest.approx([34.5 / 69, 27.7 / 69, 14.1 / 69])
    facts = chain_learning.Expected(MACRO, known, "x", Work(Path(), 1, lambda line: None)).facts
    assert facts["hardly_better_than_largest_class"] == 1  # 50 % of two classes
    assert facts["judged_by"] == "balanced"


def test_no_order_among_what_is_expected_is_a_correlation_of_none(monkeypatch):
    monkeypatch.setattr(ChainModel, "leave_one_out", lambda model: np.full(3, 0.3))
    known = pd.DataFrame({"arch": ["00000000", "11111111", "22222222"], "error": [0.5, 0.4, 0.1]})
    work = Work(Path(), 1, lambda line: None)
    assert chain_learning.Expected(MACRO, known, "x", work).facts["loo_spearman"] == 0


def test_facts_say_what_it_cost_and_what_as_many_more_would_bring():
    genes = first_chains(MOBILE, 8, 0)
    known = pd.DataFrame({"arch": [MOBILE.to_text(row) for row in genes]})
    known = known.assign(error=made_up_errors(genes), epochs=3, seconds=30.0)
    said: list[str] = []
    found = chain_learning.Expected(MOBILE, known, "x", Work(Path(), 1, said.append)).facts
    facts: dict[str, Any] = dict(found)
    assert (facts["training_epochs"], facts["training_minutes"]) == (3, 4.0)
    assert facts["more_architectures"] == 8
    assert 0 < facts["expected_tau"] < facts["expected_tau_with_more"] < 1
    assert "8 networks, 3 epochs each, 4 min 0 s in all" in said[0]
    assert said[1].startswith("8 more are expected to put right")
    # Trained before it was kept how long that takes: not known, and so not said.
    unknown = known.assign(seconds=[np.nan, *[30.0] * 7])
    facts = dict(chain_learning.Expected(MOBILE, unknown, "x", Work(Path(), 1, said.append)).facts)
    assert "training_minutes" not in facts


def scores_of_depth_and_flops(space, folder, *, listed: bool) -> ChainScores:
    """Return what two counts say of chains, read from tables or asked for."""
    work, found = Work(folder, 1, lambda _: None), {}
    for kind in ("depth", "flops"):
        found[kind] = plugins.plugin("proxies", kind).read({"kind": kind, "space": space.name})
        if listed:
            found[kind].score(space, Inputs(), work).to_parquet(folder / f"{kind}.parquet")
    if listed:
        inputs = Inputs(members=tuple(("score", folder / f"{kind}.parquet") for kind in found))
    else:
        parts = (Part(kind, proxy, "score", Inputs()) for kind, proxy in found.items())
        inputs = Inputs(parts=tuple(parts))
    scores = chain_learning.scores_of(space, inputs, work)
    assert scores is not None
    return scores


def test_scores_of_other_proxies_are_ranks_among_random_chains(tmp_path):
    read, asked = (
        scores_of_depth_and_flops(MACRO, tmp_path, listed=listed) for listed in (True, False)
    )
    every = MACRO.all_genes()
    features = read(every)
    np.testing.assert_array_equal(features, asked(every))
    assert features.shape == (6561, 2)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=0.1)
    by_flops = np.argsort(-MACRO.flops(every), kind="stable")  # more of them are a lower score
    assert (np.diff(features[by_flops, 1]) >= 0).all()
    assert read.listed
    assert not asked.listed
    assert chain_learning.scores_of(MACRO, Inputs(), Work(tmp_path, 1, print)) is None


def test_a_score_that_tells_the_error_is_learned_from(tmp_path):
    """Errors that fall with FLOPs of single layers, which no count of a stage tells."""
    scores = scores_of_depth_and_flops(MOBILE, tmp_path, listed=False)
    genes, others = first_chains(MOBILE, 12, 0), pool_of(MOBILE, 300, 9)
    errors, true = (np.exp(-MOBILE.flops(of) / 2e8) for of in (genes, others))
    with_it, without = (ChainModel(MOBILE, genes, errors, use) for use in (scores, None))
    taus = [kendalltau(model.error(others), true).statistic for model in (with_it, without)]
    assert taus[0] > taus[1] + 0.02
    # Later rounds choose among those that are scored already: a supernet's scores take time.
    known = pd.DataFrame({"arch": [MOBILE.to_text(row) for row in genes], "error": errors})
    chosen = choose(MOBILE, [12, 3], 5, MOBILE.deployed(), known, scores)
    scored = {MOBILE.to_text(row) for row in scores.sample}
    assert set(chosen) <= scored
    assert len(scored) <= SCORED + 2  # the smallest and the largest


def test_of_a_space_that_can_be_listed_the_table_brings_the_facts(tmp_path):
    every = MACRO.all_genes()
    truth = pd.DataFrame({"arch": MACRO.all_texts(), "source": "made up"})
    truth["accuracy_percent"] = 100 * (1 - made_up_errors(every))
    truth.to_parquet(tmp_path / "truth.parquet")
    given = {"kind": "learned", "space": "nas_bench_macro", "architectures": 6, "rounds": 0}
    found = Learned.read(given, "p").score(
        MACRO,
        Inputs(accuracies=tmp_path / "truth.parquet", dataset="x"),
        Work(tmp_path, 1, lambda _: None),
    )
    assert list(found) == ["arch", "error", "looked_up", "source"]
    assert found["looked_up"].sum() == 6
    assert found.attrs["trained_architectures"] == found.attrs["more_architectures"] == 6
    assert {"loo_spearman", "expected_tau", "expected_tau_with_more"} <= set(found.attrs)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"space": "nb201", "trainings": None}, "proxies has 0 entries; expected 2 or more"),
        ({"space": "nb201", "proxies": ["a", "b"]}, "trainings works in layer-wise spaces"),
        ({"trainings": {"network": {"widht": 1}}}, "widht"),
        ({"first": 60}, "first is 60; expected at most architectures, 50"),
    ],
)
def test_settings_that_cannot_be(changed, said):
    with pytest.raises(InputError, match=said):
        Learned.read({**SETTINGS, **changed}, "proxies.mine")


def test_rounds_add_up():
    found = Learned.read({**SETTINGS, "architectures": 20, "first": 13, "rounds": 3}, "p")
    assert found.batches == [13, 3, 2, 2]
    assert Learned.read({**SETTINGS, "architectures": 9, "rounds": 0}, "p").batches == [9]


# ---- judged by what all 6,561 trained networks have shown ------------------------------------


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    folder = os.environ.get("HANAS_DATA")
    if not folder or not (file := Path(folder) / "nas_bench_macro_cifar10.parquet").is_file():
        pytest.skip("HANAS_DATA has no nas_bench_macro_cifar10.parquet")
    table = pd.read_parquet(file)
    assert tuple(table["arch"]) == MACRO.all_texts()
    return 1 - table["mean_test_accuracy_percent"].to_numpy() / 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batches", "tau", "hypervolume"),
    [((10,), 0.80, 0.97), ((20,), 0.85, 0.975), ((40, 10), 0.88, 0.99)],
)
def test_a_few_tell_of_all(truth, batches, tau, hypervolume):
    """Means of five draws; on what was not looked up, and of the predicted front."""
    every, flops = MACRO.all_genes(), MACRO.flops(MACRO.all_genes()).astype(float)
    good = truth <= 0.2
    points = np.column_stack([truth, flops])
    true_front = points[good][non_dominated(points[good])]
    taus, shares = [], []
    for seed in range(5):
        known = pd.DataFrame(columns=["arch", "error"])
        for number in range(len(batches)):
            archs = choose(MACRO, batches[: number + 1], seed, MACRO.deployed(), known)
            rows = MACRO.index_of(np.array([MACRO.from_text(arch) for arch in archs]))
            new = pd.DataFrame({"arch": archs, "error": truth[rows]})
            known = pd.concat([known, new]) if len(known) else new
        rows = MACRO.index_of(np.array([MACRO.from_text(arch) for arch in known["arch"]]))
        expected = chain_learning.model_of(MACRO, known).error(every)
        others = np.setdiff1d(np.arange(len(every)), rows)
        taus.append(kendalltau(expected[others], truth[others]).statistic)
        expected[rows] = truth[rows]
        believed = np.column_stack([expected, flops])[good]
        shares.append(normalised_hypervolume(points[good][non_dominated(believed)], true_front))
    assert np.mean(taus) >= tau
    assert np.mean(shares) >= hypervolume
