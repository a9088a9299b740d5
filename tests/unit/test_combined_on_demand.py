"""Proxies made of others in spaces too large to list: ranks among a sample, and means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from layerwise import random_genes
from scipy.stats import rankdata

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.proxies._proxy import Inputs, Part, Work
from hanas.proxies.fused import ranks_among

SPACE = plugins.space("mobile_i")
COUNTS = ("depth", "flops", "params")
numbers = hnp.arrays(np.float64, st.integers(2, 40), elements=st.integers(-20, 20).map(float))


def described(proxy: dict, *parts: str) -> dict:
    """As the graph describes a proxy that is made of counts."""
    own = {"objective": "score", "files": {}, "dataset": "toy"}
    counts = {kind: {"proxy": {"kind": kind}, **own, "parts": {}} for kind in parts}
    return {"proxy": {"proxies": list(parts), **proxy}, **own, "parts": counts}


def scorer(tmp_path, proxy: dict, *parts: str):
    part = Part.read("made", described(proxy, *parts))
    return part.scorer(SPACE, Work(tmp_path / "made" / "kept", 1, pytest.fail))


def count(kind: str, genes: np.ndarray) -> np.ndarray:
    identity = SPACE.operations.index("identity")
    depth = (genes != identity).sum(axis=1)
    return -{"depth": depth, "flops": SPACE.flops(genes), "params": SPACE.params(genes)}[kind]


@settings(deadline=None)
@given(numbers)
def test_what_is_in_the_sample_has_the_rank_of_a_table(sample):
    ranks = ranks_among(sample, sample)
    expected = (rankdata(sample) - 1) / (len(sample) - 1)
    np.testing.assert_allclose(ranks, expected, atol=1e-12)


@settings(deadline=None)
@given(numbers, numbers)
def test_ranks_tell_apart_what_differs(values, sample):
    values = np.unique(values)
    ranks = ranks_among(values, sample)
    if len(np.unique(sample)) > 1:
        assert (np.diff(ranks) > 0).all()  # also beyond the sample
    else:
        assert set(ranks) <= {0, 0.5, 1}


def test_ranks_are_those_among_a_fixed_sample(tmp_path):
    proxy = {"kind": "fused", "weights": [3, 1], "sample": 50, "sample_seed": 7}
    sample = SPACE.sample(50, np.random.default_rng(7))
    ranks = [(rankdata(count(kind, sample)) - 1) / 49 for kind in COUNTS[:2]]
    with scorer(tmp_path, proxy, *COUNTS[:2]) as made:
        found = made.score(sample)["score"]
        assert made.source("score") == (
            "mean rank of 3 x depth, flops, among 50 random architectures (seed 7)"
        )
        np.testing.assert_allclose(found, 0.75 * ranks[0] + 0.25 * ranks[1])
        # Whatever is scored together, the numbers are the same.
        again = made.score(sample[[11, 3]])["score"]
        assert again.tolist() == found[[11, 3]].tolist()
        best = made.score(np.array([SPACE.largest]))["score"]
        assert best < found.min()


def test_means_are_those_of_the_columns_that_all_have(tmp_path):
    genes = random_genes("mobile_i", 5)
    with scorer(tmp_path, {"kind": "ensemble", "objective": "score"}, *COUNTS) as made:
        assert made.columns == ("score",)
        expected = np.mean([count(kind, genes) for kind in COUNTS], axis=0)
        np.testing.assert_allclose(made.score(genes)["score"], expected)
        assert made.source("score").startswith("mean of 3 proxies (depth, flops, params): number")


def test_a_part_is_read_with_all_that_it_reads():
    given = described({"kind": "fused"}, *COUNTS[:2])
    given["files"] = {"weights": "a.pt", "images": "b.pt"}
    part = Part.read(
        "outer", {**given, "parts": {"inner": given, "depth": given["parts"]["depth"]}}
    )
    assert part.inputs.weights is not None
    assert part.inputs.weights.name == "a.pt"
    assert [each.name for each in part.inputs.parts] == ["inner", "depth"]
    assert [each.name for each in part.inputs.parts[0].inputs.parts] == list(COUNTS[:2])
    assert part.inputs.dataset == "toy"


def test_scores_are_kept_with_the_entry_that_they_are_of(tmp_path):
    work = Work(tmp_path / "made" / "kept", 1, pytest.fail)
    assert work.beside("depth").folder == tmp_path / "depth" / "kept"
    assert work.beside("depth").beside("made") == work


def test_columns_that_no_two_have_are_no_ensemble(tmp_path, monkeypatch):
    flops = plugins.plugin("proxies", "flops")
    made = flops.read({"kind": "flops"}).on_demand_scorer(SPACE, Inputs(), Work(tmp_path, 1, print))
    made.columns = ("error",)
    monkeypatch.setattr(flops, "on_demand_scorer", lambda *given: made)
    with pytest.raises(InputError, match="depth, flops: they have no column in common"):
        scorer(tmp_path, {"kind": "ensemble", "objective": "score"}, *COUNTS[:2])
