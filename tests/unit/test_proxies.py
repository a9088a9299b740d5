import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from nb201_space import CONV_3X3, NONE, nb201
from toy_cells import some_cells
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.core.errors import InputError
from hanas.core.files import digest, write_parquet
from hanas.core.kept import KeptScores
from hanas.core.workers import Here
from hanas.data.batches import load_split, ordered_batches
from hanas.data.images import save_images
from hanas.proxies._proxy import Inputs, Work
from hanas.proxies.scoring import cells as scoring
from hanas.proxies.scoring.cells import (
    SupernetScorer,
    distinct_cells,
    groups_of,
    score_group,
    score_space,
)
from hanas.spaces.networks.cell import TRANSITIONS
from hanas.training.supernets import Supernet, load_supernet, save_supernet

REPOSITORY = Path(__file__).parents[2]
SETTINGS = {"kind": "supernet", "supernet": "toy", "images": 16, "batch_size": 16, "device": "cpu"}


def make_supernet(folder: Path, *, seed: int = 0, **network) -> Path:
    settings = {"skeleton": "pooled", "channels": 2, "cells": 1, "batch_norm": "batch", **network}
    weights = nb201.supernet(3, settings, seed=seed).state_dict()
    random = torch.Generator().manual_seed(seed)
    for name, value in weights.items():
        if value.ndim == 1 and value.is_floating_point():  # affine parts and statistics too
            value.add_(torch.rand(value.shape, generator=random))
        assert torch.isfinite(value).all(), name
    made = Supernet("nb201", 3, settings, None, weights, torch.zeros(6, 5))
    folder.mkdir(parents=True, exist_ok=True)
    save_supernet(made, folder / "weights.pt")
    return folder / "weights.pt"


def read(kind: str, **settings):
    return plugins.plugin("proxies", kind).read({"kind": kind, **settings}, "proxies.new")


def score(weights: Path, data: Path, workspace: Path, *, threads: int = 1, **settings):
    lines: list[str] = []
    table = read(**{**SETTINGS, **settings}).score(
        nb201, Inputs(weights=weights, images=data), Work(workspace, threads, lines.append)
    )
    return table, lines


def counted(kind: str):
    """The scores of a proxy that reads nothing, by architecture."""
    table = read(kind).score(nb201, Inputs(), Work(Path(), 1, pytest.fail))
    return table.set_index("arch")["score"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return make_supernet(tmp_path_factory.mktemp("supernet"))


@pytest.fixture(scope="module")
def is_scored():
    """Which architectures are among some_cells() or the same function as one of them, bool (N,)."""
    (cells, which), (all_cells, of_all) = some_cells(nb201, "batch"), distinct_cells(nb201, "batch")
    found = (cells[which] == all_cells[of_all]).all(axis=1)
    assert 1500 < found.sum() < 4000
    return found


@pytest.fixture(scope="module")
def scored(weights, toy_file, tmp_path_factory):
    """A part of the space, scored here; the test that kills has it scored by workers."""
    workspace = tmp_path_factory.mktemp("work") / "space"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "distinct_cells", some_cells)
        patch.setattr(scoring, "Workers", lambda make, count: Here(make()))
        table, _ = score(weights, toy_file, workspace)
    assert not workspace.exists()
    return table


TINY = {
    "network": {"skeleton": "pooled", "channels": 1, "cells": 1},
    "resolution": 8,
    "images": 4,
}
MADE_OF = {"proxies": ["proxy_0", "proxy_1"]}
#: What each kind is given beside what all are.
OF_KIND = {
    **{kind: {} for kind in ("params", "live_params", "flops", "residual", "pooled_shortcuts")},
    **{"synflow": {"network": TINY["network"], "resolution": 8}, "naswot": TINY, "az_nas": TINY},
    **{"ensemble": MADE_OF, "fused": MADE_OF, "learned": {**MADE_OF, "architectures": 32}},
}


@pytest.fixture
def few_cells(monkeypatch):
    """Measure untrained networks of some cells, here.

    All cells, in workers, would take minutes: test_untrained_proxies.py does it with one measure.
    """
    few = partial(some_cells, groups=30, of_group=9)
    monkeypatch.setattr(scoring, "distinct_cells", few)
    monkeypatch.setattr(scoring, "Workers", lambda make, count: Here(make()))


# Depth is of layer-wise spaces: see test_nas_bench_macro.py.
@pytest.fixture(params=[kind for kind in plugins.names("proxies") if kind != "depth"])
def any_table(request, scored, toy_file, tmp_path):
    if request.param == "supernet":
        return scored
    proxy = read(request.param, **OF_KIND[request.param])
    if hasattr(proxy, "measure"):
        request.getfixturevalue("few_cells")
    write_parquet(scored, tmp_path / "scored.parquet")
    accuracies = scored[["arch", "source"]].assign(accuracy_percent=100 - 100 * scored["error"])
    write_parquet(accuracies, tmp_path / "accuracies.parquet")
    members = [("cross_entropy", tmp_path / "scored.parquet")] * 2
    inputs = Inputs(
        images=toy_file,
        members=tuple(members),
        accuracies=tmp_path / "accuracies.parquet",
        dataset="toy",
    )
    return proxy.score(nb201, inputs, Work(tmp_path / "work", 2, lambda line: None))


def test_every_proxy_scores_every_architecture(any_table):
    assert any_table["arch"].tolist() == list(nb201.all_texts())
    of_supernet = ["error", "cross_entropy", "centred_cross_entropy"]
    columns = of_supernet if "error" in any_table else ["score"]
    assert set(any_table) - {"looked_up"} == {"arch", *columns, "source"}
    for column in columns:
        assert any_table[column].dtype == np.float64
        assert np.isfinite(any_table[column]).all()
        assert any_table[column].nunique() > 5
    assert any_table["source"].str.len().min() > 10


def test_more_parameters_and_operations_are_better():
    all_genes = nb201.all_genes()
    sizes = counted("params").to_numpy()
    assert sizes.max() == -73_306  # no convolution
    assert sizes.min() == -73_306 - 6 * 243_040
    assert (all_genes[sizes == sizes.min()] == CONV_3X3).all()
    operations = counted("flops").to_numpy()
    assert operations.max() == -7_783_050
    assert operations.min() == -7_783_050 - 6 * 35_389_440


def test_only_parameters_on_live_edges_count():
    table = counted("live_params")
    both = nb201.to_text([3, 0, 2, 3, 0, 0]), nb201.to_text([0, 0, 0, 3, 0, 0])
    assert table[list(both)].tolist() == [-73_306 - 243_040] * 2
    all_params = counted("params").to_numpy()
    assert (table.to_numpy() >= all_params).all()
    assert 0.7 < (table.to_numpy() == all_params).mean() < 0.8


@pytest.mark.parametrize(
    ("operations", "score"),
    [
        ("333 133", -6),  # node by node: a skip past five convolutions
        ("000 100", -1),  # past nothing
        ("320 100", -1),  # past two that reach nothing
        ("120 132", -4),
        ("111 011", 0),  # what is added up is the input, but not on the edge to the output
        ("333 333", 0),
        ("000 000", 0),
    ],
)
def test_a_residual_cell_is_worth_what_its_skip_leads_past(operations, score):
    genes = [int(operation) for operation in operations.replace(" ", "")]
    assert read("residual").count(nb201, np.array([genes])).item() == score


@pytest.fixture(scope="module")
def shortcuts():
    return counted("pooled_shortcuts")


@pytest.mark.parametrize(
    ("operations", "score"),
    [
        ("000 400", 1),  # node by node: a blurred copy of the input
        ("111 111", 0),  # copies that are not blurred
        ("444 444", 1 + 2 + 2 + 3),  # four paths
        ("404 444", 1 + 2 + 3),  # the first edge is on two of them
        ("400 410", 1 + 1),
        ("430 444", 1 + 2),  # what is convolved is no shortcut
        ("444 010", 1),
        ("333 333", 0),
        ("000 000", 9),  # nothing of the input is left
        ("444 000", 9),
    ],
)
def test_a_shortcut_is_worth_less_for_each_pooling_on_it(operations, score, shortcuts):
    genes = [int(operation) for operation in operations.replace(" ", "")]
    assert shortcuts[nb201.to_text(genes)] == score


@pytest.mark.parametrize("mode", ["batch", "batch_affine", "running"])
@pytest.mark.parametrize("skeleton", list(TRANSITIONS))
@pytest.mark.parametrize("cells", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_shared_work_gives_the_bits_of_one_cell_at_a_time(
    toy_data, tmp_path, mode, skeleton, cells
):
    made = load_supernet(make_supernet(tmp_path, batch_norm=mode, skeleton=skeleton, cells=cells))
    network = made.network()
    batches = list(ordered_batches(load_split(toy_data, "validation"), 10))
    distinct, _ = distinct_cells(nb201, mode)
    groups = list(groups_of(nb201, distinct))
    assert {tuple(cell) for group in groups for cell in group.tolist()} == set(
        map(tuple, distinct.tolist())
    )
    assert sum(map(len, groups)) == len(distinct)
    rng = np.random.default_rng(0)
    for number in rng.choice(len(groups), 4, replace=False):
        genes = rng.permutation(groups[number])[:6]
        assert (genes[:, :3] == genes[0, :3]).all()
        scores = score_group(network, genes, batches)
        for row, cell in enumerate(genes):
            loss, centred, wrong = 0.0, 0.0, 0
            for images, labels in batches:
                with torch.no_grad():
                    logits = network(images, cell).double()
                loss += F.cross_entropy(logits, labels, reduction="sum").item()
                less = logits - logits.mean(dim=0, keepdim=True)
                centred += F.cross_entropy(less, labels, reduction="sum").item()
                wrong += (logits.argmax(dim=1) != labels).sum().item()
            assert scores["error"][row] == wrong / 24
            assert scores["cross_entropy"][row] == loss / 24
            assert scores["centred_cross_entropy"][row] == centred / 24


@pytest.mark.parametrize("mode", ["batch", "batch_affine", "running"])
def test_each_cell_is_given_the_score_of_its_function(toy_data, tmp_path, mode):
    made = load_supernet(make_supernet(tmp_path, batch_norm=mode))
    network = made.network()
    distinct, which = distinct_cells(nb201, mode)
    assert len(distinct) == (9_445 if mode == "batch" else len(np.unique(which)))
    images, _ = load_split(toy_data, "validation").batch(torch.arange(24))
    rng = np.random.default_rng(1)
    for cell in rng.choice(15_625, 40, replace=False):
        with torch.no_grad():
            own = network(images, nb201.all_genes()[cell])
            of_function = network(images, distinct[which[cell]])
        assert torch.equal(own, of_function)


def test_the_table_holds_what_the_network_says(scored, is_scored, weights, toy_data):
    network = load_supernet(weights).network()
    split = load_split(toy_data, "validation").take(16)
    for cell in np.flatnonzero(is_scored)[::300]:
        loss, wrong = 0.0, 0
        for images, labels in ordered_batches(split, 16):
            with torch.no_grad(), threads(1):  # as the workers: the last bits depend on it
                logits = network(images, nb201.all_genes()[cell])
            loss += F.cross_entropy(logits.double(), labels, reduction="sum").item()
            wrong += (logits.argmax(dim=1) != labels).sum().item()
        assert scored["error"][cell] == wrong / 16
        assert scored["cross_entropy"][cell] == loss / 16
    assert scored["source"][0].endswith("16 validation images")


def test_scores_are_means_over_snapshots(scored, weights, toy_file, tmp_path):
    first, last = load_supernet(weights), load_supernet(make_supernet(tmp_path / "last", seed=1))
    save_supernet(replace(last, earlier=[first.weights]), tmp_path / "both.pt")
    with threads(1):
        both = SupernetScorer(nb201, tmp_path / "both.pt", toy_file, 16, 16, "cpu")
        alone = SupernetScorer(nb201, tmp_path / "last" / "weights.pt", toy_file, 16, 16, "cpu")
        for cells in list(groups_of(nb201, some_cells(nb201, "batch")[0]))[::5]:
            rows = nb201.index_of(cells)
            mean, of_last = both(cells), alone(cells)
            for column in ("error", "cross_entropy", "centred_cross_entropy"):
                expected = (scored[column].to_numpy()[rows] + of_last[column]) / 2
                np.testing.assert_allclose(mean[column], expected)
    assert len(both.networks) == 2
    batches = SupernetScorer(nb201, weights, toy_file, 16, 6, "cpu")._batches
    assert [len(batch.labels) for batch in batches] == [6, 5, 5]
    assert both.source.endswith("on 16 validation images, means over 2 snapshots of its training")
    assert alone.source.endswith("on 16 validation images")


def test_isomorphic_dead_cells_share_a_score(scored, is_scored):
    """Cells whose output carries nothing all give the same logits."""
    genes = nb201.all_genes()
    live = nb201.without_dead_edges(genes)
    empty = (live == NONE).all(axis=1)
    assert empty.sum() > 100
    assert is_scored[empty].all()
    assert scored.loc[empty, "cross_entropy"].nunique() == 1


SCORE = """
import json, sys
from pathlib import Path
from toy_cells import some_cells
from hanas.core import plugins
from hanas.proxies._proxy import Inputs, Work
from hanas.proxies.scoring import cells
cells.distinct_cells = some_cells
weights, images, workspace = map(Path, sys.argv[2:])
proxy = plugins.plugin("proxies", "supernet").read(json.loads(sys.argv[1]))
proxy.score(plugins.space("nb201"), Inputs(weights=weights, images=images),
            Work(workspace, 1, lambda line: None))
"""


@pytest.mark.slow
def test_a_killed_scoring_ends_with_the_same_bits(scored, weights, toy_file, tmp_path, monkeypatch):
    workspace = tmp_path / "work"
    arguments = [json.dumps(SETTINGS), str(weights), str(toy_file), str(workspace)]
    process = subprocess.Popen(
        [sys.executable, "-c", SCORE, *arguments],
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{Path(__file__).parent}"},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(list(workspace.rglob("*.json"))) < 4:
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list(workspace.rglob("*.json")))
    # Of a job with other settings, and damaged: neither is used.
    other = KeptScores(workspace, "other", ("error",), pytest.fail)
    other.add(nb201.all_genes(), {"error": np.zeros(15_625)})
    next(path for path in workspace.rglob("*.json") if path.parent.name != "other").write_text("{")
    monkeypatch.setattr(scoring, "distinct_cells", some_cells)
    table, lines = score(weights, toy_file, workspace, threads=2)
    groups = len(list(groups_of(nb201, some_cells(nb201, "batch")[0])))
    assert f"{kept - 1} of {groups} groups of cells were scored before" in lines
    assert any("is damaged" in line for line in lines)
    assert any("groups of cells are scored" in line for line in lines)
    assert table.equals(scored)
    assert not workspace.exists()


def test_kept_scores_are_checked_too(tmp_path, monkeypatch):
    cells = np.array([[0, 0, 0, 0, 0, 1], [1, 1, 1, 0, 0, 0]])
    monkeypatch.setattr(
        scoring, "distinct_cells", lambda space, batch_norm: (cells, np.array([0, 1]))
    )
    kept = KeptScores(tmp_path, digest("key"), ("error",), pytest.fail)
    kept.add(cells[:1], {"error": np.array([np.inf])})

    def check(cells, scores):
        assert np.isnan(scores["error"]).tolist() == [True]
        raise InputError(f"of {len(cells)}")

    def make():
        return SimpleNamespace(batch_norm="batch")

    work = Work(tmp_path, 1, lambda line: None)
    with pytest.raises(InputError, match="of 1"):
        score_space(nb201, make, "key", ("error",), work, check=check)


def test_files_that_do_not_fit_are_refused(weights, toy_file, tmp_path):
    other = tmp_path / "other.pt"
    save_images(toy_images(classes=4), other)
    with pytest.raises(InputError, match=r"knows 3 classes, but .*other.pt has 4"):
        score(weights, other, tmp_path / "work")
    broken = tmp_path / "broken.pt"
    broken.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match="not readable as a supernet"):
        score(broken, toy_file, tmp_path / "work")
    with pytest.raises(InputError, match="images is 0"):
        score(weights, toy_file, tmp_path / "work", images=0)


def test_weights_that_are_not_finite_are_refused(toy_file, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "Workers", lambda make, count: Here(make()))
    made = load_supernet(make_supernet(tmp_path))
    made.weights["classifier.bias"][0] = float("nan")
    save_supernet(made, tmp_path / "weights.pt")
    for _ in range(2):  # also of what is kept
        with pytest.raises(InputError, match=r"not a finite number; train the supernet"):
            score(tmp_path / "weights.pt", toy_file, tmp_path / "work", images=1)
        assert len(list((tmp_path / "work").rglob("*.json"))) < 20  # of 125 groups: it ends at once


def test_a_bias_of_the_classifier_does_not_count_in_what_is_centred(toy_data, tmp_path):
    made = load_supernet(make_supernet(tmp_path))
    batches = list(ordered_batches(load_split(toy_data, "validation"), 10))
    cells = np.array([[3, 3, 3, 3, 3, 3], [3, 3, 3, 0, 1, 4]])
    before = score_group(made.network(), cells, batches)
    made.weights["classifier.bias"] += torch.tensor([3.0, 0.0, -1.0])
    after = score_group(made.network(), cells, batches)
    np.testing.assert_allclose(
        after["centred_cross_entropy"], before["centred_cross_entropy"], rtol=1e-5
    )
    assert (np.abs(after["cross_entropy"] - before["cross_entropy"]) > 0.01).all()
