import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toy_pictures import toy_images

from hanas.core import plugins
from hanas.core.compute import threads
from hanas.core.errors import InputError
from hanas.core.files import write_parquet
from hanas.core.workers import Workers
from hanas.data.batches import load_split, ordered_batches
from hanas.data.images import save_images
from hanas.proxies import (
    _jobs,
    _kept,
    _untrained,
    _worker,
    flops,
    live_params,
    params,
    pooled_shortcuts,
    residual,
    supernet,
)
from hanas.proxies._scoring import distinct_cells, groups_of, score_group
from hanas.spaces import nb201
from hanas.spaces.networks.operations import TRANSITIONS
from hanas.training.supernets import Supernet, load_supernet, save_supernet

REPOSITORY = Path(__file__).parents[2]
SETTINGS = {"kind": "supernet", "supernet": "toy", "images": 16, "batch_size": 8, "device": "cpu"}


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


def score(weights: Path, data: Path, workspace: Path, *, threads: int = 1, **settings):
    lines: list[str] = []
    table = supernet.score(
        space="nb201",
        settings={**SETTINGS, **settings},
        weights=weights,
        images=data,
        threads=threads,
        workspace=workspace,
        log=lines.append,
    )
    return table, lines


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return make_supernet(tmp_path_factory.mktemp("supernet"))


@pytest.fixture(scope="module")
def scored(weights, toy_file, tmp_path_factory):
    """The whole space, scored by one worker."""
    workspace = tmp_path_factory.mktemp("work") / "space"
    table, _ = score(weights, toy_file, workspace)
    assert not workspace.exists()
    return table


TINY = {
    "network": {"skeleton": "pooled", "channels": 1, "cells": 1},
    "resolution": 8,
    "images": 4,
}
MEMBERS = [{"proxy": f"proxy_{number}", "objective": "cross_entropy"} for number in range(2)]
#: What each kind is given beside what all are.
OF_KIND = {
    **{kind: {"settings": {}} for kind in ("params", "live_params", "flops")},
    **{kind: {"settings": {}} for kind in ("residual", "pooled_shortcuts")},
    **{kind: {"settings": TINY} for kind in ("naswot", "synflow", "grad_norm", "az_nas")},
    "zico": {"settings": {**TINY, "batches": 2}},
    **{kind: {"settings": {"members": MEMBERS}} for kind in ("ensemble", "fused")},
    "learned": {"settings": {"members": MEMBERS, "dataset": "toy", "architectures": 32}},
}


#: Cells whose first three edges are these: nothing, the same everywhere, different ones.
GROUPS = ("000", "111", "444", "123", "304")


class InThisProcess(Workers):
    def answers(self, requests):
        return enumerate(map(_worker.serve(self._task), requests))


@pytest.fixture
def few_cells(monkeypatch):
    """Measure untrained networks of a few groups, here; all others get the first cell's score.

    All cells, in workers, would take minutes: test_untrained_proxies.py does it with one measure.
    """
    cells, which = distinct_cells(nb201, "batch")
    rows = np.concatenate([groups_of(cells)[name] for name in GROUPS])
    place = np.zeros(len(cells), dtype=np.int64)
    place[rows] = np.arange(len(rows))
    monkeypatch.setattr(_untrained, "distinct_cells", lambda *given: (cells[rows], place[which]))
    monkeypatch.setattr(_jobs, "Workers", InThisProcess)


@pytest.fixture(params=plugins.names("proxies"))
def any_table(request, scored, toy_file, tmp_path):
    if request.param == "supernet":
        return scored
    if hasattr(plugins.load("proxies", request.param), "MEASURE"):
        request.getfixturevalue("few_cells")
    write_parquet(scored, tmp_path / "scored.parquet")
    accuracies = scored[["arch", "source"]].assign(accuracy_percent=100 - 100 * scored["error"])
    write_parquet(accuracies, tmp_path / "accuracies.parquet")
    return plugins.load("proxies", request.param).score(
        space="nb201",
        **OF_KIND[request.param],
        images=toy_file,
        tables=[tmp_path / "scored.parquet"] * len(MEMBERS),
        accuracies=tmp_path / "accuracies.parquet",
        weights=None,  # what another kind reads
        threads=2,
        workspace=tmp_path / "work",
    )


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
    sizes = params.score(space="nb201", settings={})["score"].to_numpy()
    assert sizes.max() == -73_306  # no convolution
    assert sizes.min() == -73_306 - 6 * 243_040
    assert (all_genes[sizes == sizes.min()] == nb201.CONV_3X3).all()
    operations = flops.score(space="nb201", settings={})["score"].to_numpy()
    assert operations.max() == -7_783_050
    assert operations.min() == -7_783_050 - 6 * 35_389_440


def test_only_parameters_on_live_edges_count():
    table = live_params.score(space="nb201", settings={}).set_index("arch")["score"]
    both = nb201.to_text([3, 0, 2, 3, 0, 0]), nb201.to_text([0, 0, 0, 3, 0, 0])
    assert table[list(both)].tolist() == [-73_306 - 243_040] * 2
    all_params = params.score(space="nb201", settings={})["score"].to_numpy()
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
    table = residual.score(space="nb201", settings={}).set_index("arch")["score"]
    assert table[nb201.to_text(genes)] == score


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
def test_a_shortcut_is_worth_less_for_each_pooling_on_it(operations, score):
    genes = [int(operation) for operation in operations.replace(" ", "")]
    table = pooled_shortcuts.score(space="nb201", settings={}).set_index("arch")["score"]
    assert table[nb201.to_text(genes)] == score


@pytest.mark.parametrize("mode", ["batch", "batch_affine", "running"])
@pytest.mark.parametrize("skeleton", list(TRANSITIONS))
@pytest.mark.parametrize("cells", [1, 2])
def test_shared_work_gives_the_bits_of_one_cell_at_a_time(
    toy_data, tmp_path, mode, skeleton, cells
):
    made = load_supernet(make_supernet(tmp_path, batch_norm=mode, skeleton=skeleton, cells=cells))
    network = made.network()
    batches = list(ordered_batches(load_split(toy_data, "validation"), 10))
    distinct, _ = distinct_cells(nb201, mode)
    groups = groups_of(distinct)
    assert sorted(itertools.chain(*groups.values())) == list(range(len(distinct)))
    rng = np.random.default_rng(0)
    for name in rng.choice(list(groups), 4, replace=False):
        genes = distinct[rng.choice(groups[name], min(6, len(groups[name])), replace=False)]
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


def test_the_table_holds_what_the_network_says(scored, weights, toy_data):
    network = load_supernet(weights).network()
    split = load_split(toy_data, "validation").take(16)
    for cell in (0, 11, 284, 1835, 6111, 15_624):
        loss, wrong = 0.0, 0
        for images, labels in ordered_batches(split, 8):
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
    task = {"space": "nb201", "images": str(toy_file)}
    task |= {"count": 16, "batch_size": 8, "device": "cpu"}
    with threads(1):
        both = supernet.Scorer({**task, "weights": str(tmp_path / "both.pt")})
        alone = supernet.Scorer({**task, "weights": str(tmp_path / "last" / "weights.pt")})
        for group in ("000", "123", "444"):
            rows = nb201.index_of(alone.cells[alone.groups[group]])
            mean, of_last = both.score(group), alone.score(group)
            for column in ("error", "cross_entropy", "centred_cross_entropy"):
                expected = (scored[column].to_numpy()[rows] + of_last[column]) / 2
                np.testing.assert_allclose(mean[column], expected)
    assert len(both.networks) == 2
    assert both.seen == "16 validation images, means over 2 snapshots of its training"
    assert alone.seen == "16 validation images"


def test_isomorphic_dead_cells_share_a_score(scored):
    """Cells whose output carries nothing all give the same logits."""
    genes = nb201.all_genes()
    live = nb201.without_dead_edges(genes)
    empty = (live == nb201.NONE).all(axis=1)
    assert empty.sum() > 100
    assert scored.loc[empty, "cross_entropy"].nunique() == 1


SCORE = """
import json, sys
from hanas.proxies import supernet
supernet.score(space="nb201", settings=json.loads(sys.argv[1]), weights=sys.argv[2],
               images=sys.argv[3], threads=2, workspace=sys.argv[4])
"""


def test_a_killed_scoring_ends_with_the_same_bits(scored, weights, toy_file, tmp_path):
    workspace = tmp_path / "work"
    arguments = [json.dumps(SETTINGS), str(weights), str(toy_file), str(workspace)]
    process = subprocess.Popen(
        [sys.executable, "-c", SCORE, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(list(workspace.glob("[0-4]*.json"))) < 40:
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    table, lines = score(weights, toy_file, workspace, threads=2)
    assert any("were scored before" in line for line in lines)
    assert table.equals(scored)
    assert not workspace.exists()


def test_workers_do_not_matter_and_leftovers_of_other_jobs_or_damaged_are_not_used(
    scored, weights, toy_file, tmp_path
):
    workspace = tmp_path / "work"
    for name in groups_of(nb201.without_dead_edges(nb201.all_genes())):
        _kept.write(workspace, name, "another job", {"error": np.zeros(3)})
    (workspace / "000.json").write_text("{", encoding="utf-8")
    table, lines = score(weights, toy_file, workspace, threads=3)
    assert not any("were scored before" in line for line in lines)
    assert any("groups of cells are scored" in line for line in lines)
    assert table.equals(scored)


@pytest.mark.parametrize("damage", ["key", "score", "cut"])
def test_kept_scores_are_checked(tmp_path, damage):
    scores = {"error": np.array([0.5, 0.25]), "cross_entropy": np.array([1.5, np.inf])}
    _kept.write(tmp_path, "012", "job", scores)
    path = tmp_path / "012.json"
    kept = _kept.read(tmp_path, "012", "job")
    assert kept is not None
    assert kept["error"].tolist() == [0.5, 0.25]
    np.testing.assert_array_equal(kept["cross_entropy"], [1.5, np.nan])
    text = path.read_text(encoding="utf-8")
    changed = {"key": text, "score": text.replace("0.25", "0.75"), "cut": text[:-9]}[damage]
    path.write_text(changed, encoding="utf-8")
    assert _kept.read(tmp_path, "012", "other" if damage == "key" else "job") is None


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


def test_weights_that_are_not_finite_are_refused(toy_file, tmp_path):
    made = load_supernet(make_supernet(tmp_path))
    made.weights["classifier.bias"][0] = float("nan")
    save_supernet(made, tmp_path / "weights.pt")
    for _ in range(2):  # also of what is kept
        with pytest.raises(InputError, match=r"not a finite number; train the supernet"):
            score(tmp_path / "weights.pt", toy_file, tmp_path / "work", images=1)
        assert len(list((tmp_path / "work").iterdir())) < 20  # of 125 groups: it ends at once


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
