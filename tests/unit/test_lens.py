"""The lens on made-up numbers of real spaces: what is said follows from what was put in."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.settings import Member
from hanas.devices.prediction import predictor
from hanas.fronts.lens import gained, lens, proposal, standing, words
from hanas.fronts.lens.choices import choices_of, comparisons, part_of, units
from hanas.fronts.lens.effects import of_all
from hanas.fronts.lens.population import TRUE, Population
from hanas.fronts.lens.reduction import Archive, reduce
from hanas.fronts.rows import Row
from hanas.spaces.kinds.lens import resolved
from hanas.study import checks

#: A chain of two stages; its channels and depth are searched in the second.
CHAIN = {
    "kind": "layerwise",
    "stem": 8,
    "stages": [
        {"channels": 8, "layers": 1, "operations": ["mb1_3x3", "mb1_5x5", "mb1_7x7"]},
        {"channels": [16, 24], "layers": [1, 2]},
    ],
    "operations": ["mb2_3x3", "mb2_3x3_se", "mb4_5x5"],
    "last": 16,
}


@pytest.fixture
def chain():
    """The declared chain as a space."""
    before = plugins.of_study()
    plugins.declare({"chain": CHAIN})
    yield plugins.space("chain")
    plugins.declare(before)


def test_choices_know_their_part(chain):
    found = {(one.part, one.name) for one in choices_of(chain)}
    assert ("channels of stage 2", "24") in found
    assert ("layers of stage 2", "1") in found
    assert ("stage 1", "mb1_7x7") in found
    assert len(units(choices_of(chain))[("stage 2", "mb4_5x5")]) == 2  # one a layer
    assert part_of("edge 3 <- 1", sized=False) == "edge 3 <- 1"


def test_what_kernel_width_and_depth_buy_is_a_mean_of_like_with_like(chain):
    genes, choices = chain.all_genes(), choices_of(chain)
    kernels = {"mb1_3x3": 0.0, "mb1_5x5": 2.0, "mb1_7x7": 7.0}
    of = {one.effect: kernels.get(one.name, 0.0) for one in choices}
    of |= {one.effect: 100.0 for one in choices if one.name == "24"}
    of |= {one.effect: 0.5 for one in choices if one.name == "mb2_3x3_se"}
    used = chain.used(genes)
    at = {(one.gene, one.option): of[one.effect] for one in choices}
    values = np.array(
        [
            sum(at[g, row[g]] for g in np.flatnonzero(mask))
            for row, mask in zip(genes, used, strict=True)
        ]
    )
    found = of_all(chain.choices, genes, used, values)
    bought = {
        label: found.contrast(weights)[0]
        for label, weights in comparisons(choices, np.isfinite(found.values))
    }
    assert bought["kernel 5 instead of 3"] == pytest.approx(2)
    assert bought["kernel 7 instead of 3"] == pytest.approx(7)
    assert bought["most instead of least channels"] == pytest.approx(100)
    assert bought["squeeze-and-excitation"] == pytest.approx(0.5)
    # A second layer brings the mean of its operations.
    assert bought["most instead of least layers"] == pytest.approx(0.5 / 3)
    assert "`mb4_5x5` instead of `mb2_3x3`" in bought


def test_thirds_and_shares():
    metric = np.array([3.0, 1.0, 2.0, 1.0, 9.0, 5.0])
    of, limits = standing.thirds(metric)
    assert limits == (2.0, 5.0)
    assert of.tolist() == [1, 0, 1, 0, 2, 2]
    space = plugins.space("nas_bench_macro")
    genes = np.zeros((6, 8), dtype=np.int64)
    genes[:2, 0] = 2
    found = standing.table(choices_of(space), genes, space.used(genes), metric, None)
    assert found.loc[[0, 2], "on_found_fronts"].tolist() == pytest.approx([4 / 6, 2 / 6])
    assert found.loc[2, "on_lowest_third"] == 0.5
    assert found.loc[2, "on_highest_third"] == 0


def macro_points(errors: dict[int, float], costs: dict[int, float]):
    space = plugins.space("nas_bench_macro")
    genes = space.all_genes()
    sums = [
        np.array([each[operation] for operation in range(3)])[genes].sum(axis=1)
        for each in (errors, costs)
    ]
    return space, genes, np.column_stack(sums).astype(float)


def test_what_is_worse_in_everything_goes_first_and_for_nothing():
    # Operation 2 is worse than 1 in both; 0 and 1 trade error for cost.
    space, genes, points = macro_points({0: 1, 1: 0, 2: 2}, {0: 0, 1: 1, 2: 3})
    found = reduce(Archive(choices_of(space), genes, space.used(genes), points), keep=1.0)
    gone = [unit for unit, _ in found.left_out]
    assert set(gone) == {(f"stage {number}", "mb6_5x5") for number in (1, 2, 3)}
    assert found.share == 1
    assert found.alone["stage 1", "mb6_5x5"] == 1
    assert found.alone["stage 1", "identity"] < 1
    shares = [share for _, share in found.path]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("keep", [0.95, 0.98])
def test_the_share_that_stays_is_that_of_an_independent_count(keep):
    space, genes, points = macro_points({0: 1, 1: 0.3, 2: 0}, {0: 0, 1: 1, 2: 2.5})
    archive = Archive(choices_of(space), genes, space.used(genes), points)
    found = reduce(archive, keep=keep)
    assert found.share >= keep
    assert len(found.path) > len(found.left_out)
    kept = archive.kept([unit for unit, _ in found.left_out])
    rows = np.array([row in set(itertools.product(*kept)) for row in map(tuple, genes.tolist())])
    scaled = points / points.max(axis=0)  # both objectives of the front begin at 0

    def staircase(of: np.ndarray) -> float:
        """Return the area below 1.1 in both that points dominate, a strip at a time."""
        of = of[np.lexsort(of.T[::-1])]
        area, best = 0.0, 1.1
        for x, y in of:
            if y < best:
                area, best = area + (1.1 - x) * (best - y), y
        return area

    front = points[:, 0].max(), points[:, 1].max()
    assert front == (8, 20)
    assert found.share == pytest.approx(staircase(scaled[rows]) / staircase(scaled))


def row_of(**changed) -> Row:
    names = {"device": "board", "task": "first", "dataset": "toy", "space": "nas_bench_macro"}
    labels = {"proxy": "p", "proxy_label": "p", "proxy_objective": "error", "search": "s"}
    files = {"accuracies": None, "metrics": None, "proxy_table": None, "history": "h.parquet"}
    rest = {"trained_architectures": 0, "trained_on": "", "search_label": "S"}
    rest |= {"accuracy_floor_percent": 0.0, "device_objectives": None}
    return Row(**{**names, **labels, **files, **rest, **changed})


@pytest.fixture
def looked(tmp_path):
    """A lens on NAS-Bench-Macro: operation 2 costs most and brings nothing."""
    space, genes, points = macro_points({0: 0.02, 1: 0.01, 2: 0.015}, {0: 1, 1: 2, 2: 4})
    noise = np.random.default_rng(0).normal(scale=0.001, size=len(genes))
    values = pd.DataFrame({"latency_ms": points[:, 1], "error": points[:, 0]})
    values[TRUE] = values["error"] + noise
    known = Population(
        space, genes, values, ["error", "latency_ms"], dict.fromkeys(values, "made up"), True
    )
    history = pd.DataFrame({"search": "s", "seed": 0, "evaluation": range(len(genes))})
    history["generation"], history["arch"] = 0, list(space.all_texts())
    history = history.assign(**values[["error", "latency_ms"]], feasible=True, score=np.nan)
    file = tmp_path / "history.parquet"
    history.to_parquet(file)
    sources = {"error": "made up", "latency_ms": "made up"}
    file.with_suffix(".json").write_text(json.dumps({"sources": sources}))
    return lens.look([row_of(history=str(file))], known, keep=0.99)


def test_the_table_holds_the_effects_that_were_put_in(looked):
    table = looked.table()
    assert len(table) == 24
    per_choice = table.groupby("choice")[["latency_ms", "error"]].mean()
    assert per_choice["latency_ms"].to_dict() == pytest.approx(
        {"identity": 1 - 7 / 3, "mb3_3x3": 2 - 7 / 3, "mb6_5x5": 4 - 7 / 3}
    )
    assert per_choice.loc["mb3_3x3", "error"] == pytest.approx(-0.005)
    worse = table[table["choice"] == "mb6_5x5"]
    assert (worse[["on_found_fronts", "on_exact_front"]] == 0).all(axis=None)
    assert not worse["kept"].any()
    assert (worse["front_left_without"] == 1).all()
    assert looked.agreement is not None
    assert looked.agreement[1] > 0.8  # choices tie in all layers
    assert looked.true_share is not None


def test_the_page_says_plainly_what_can_go(looked):
    page = words.page(looked)
    assert page.startswith("# Space nas_bench_macro on board (task first)\n")
    assert "**stage 3**: `mb6_5x5` costs +1.667 ms" in page
    assert "is on no front. Leaving it out loses nothing." in page
    assert "exact means over all 6,561 architectures" in page
    assert "interactions" in page
    assert "makes of 6,561 architectures 256" in page


def test_what_is_proposed_can_be_searched(looked):
    read = yaml.safe_load(proposal.text(looked))["spaces"]["nas_bench_macro_smaller"]
    made = Member("space_kinds").read(read).space("smaller")  # pyright: ignore
    assert made.count == 2**8
    assert set(made.operations) == {"identity", "mb3_3x3"}
    kept = proposal.kept_of(looked)
    assert proposal.kept_of_table(looked.table(), keep=0.99) == kept
    whole = proposal.kept_of_table(looked.table(), keep=1.01)
    assert {len(names) for names in whole.values()} == {3}


def test_a_proposal_keeps_sizes_that_are_searched(chain):
    kept = {"stage 1": ["mb1_3x3"], "channels of stage 2": ["24"], "layers of stage 2": ["1", "2"]}
    found = proposal.smaller(chain, {**kept, "stage 2": ["mb2_3x3", "mb4_5x5"]})
    assert found is not None
    assert found["stages"] == [
        {"channels": 8, "layers": 1, "operations": ["mb1_3x3"]},
        {"channels": 24, "layers": [1, 2], "operations": ["mb2_3x3", "mb4_5x5"]},
    ]
    assert Member("space_kinds").read(found).space("s").count == 2 + 4  # pyright: ignore


def test_few_points_and_interactions_are_doubts(looked):
    few = looked.searched.fronts.iloc[:3]
    object.__setattr__(looked, "searched", lens.Searched(looked.searched.evaluated, few))
    effects = looked.effects["error"]
    object.__setattr__(effects, "additive", 0.2)
    doubts = " ".join(words.known(looked).doubts)
    assert "have 3 points, fewer than 30" in doubts
    assert "explain only 20% of the variance of the error by p" in doubts
    assert words.page(looked).splitlines()[2].startswith("> **Do not trust this page: ")


def test_where_there_is_one_choice_none_is_said_not_to_matter(looked, monkeypatch):
    monkeypatch.setattr(looked.population.space, "choices", (1,) + (3,) * 7)
    monkeypatch.setattr(lens.Lens, "unimportant", lambda self, name: np.arange(8) < 2)
    said = " ".join(words._unimportant(looked))
    assert "does not matter, neither for the device nor for the error, at: layer 2 " in said


def test_the_uncertainty_of_a_predictor_is_that_of_differences():
    space = plugins.space("shuffle_i")
    rng = np.random.default_rng(0)
    genes = space.sample(40, rng)
    latency = 1 + space.flops(genes) / 1e7 + rng.normal(scale=0.02, size=40)
    fitted = predictor.fit("shuffle_i", genes, {"latency_ms": latency}, source="measured: here")
    asked = space.sample(30, rng)
    covariance = fitted.covariance("latency_ms", asked)
    deviation = fitted.predict(asked)["latency_ms_deviation"].to_numpy()
    # Of a measurement there is the noise too.
    assert (np.sqrt(np.diag(covariance)) < deviation).all()
    assert np.linalg.eigvalsh(covariance).min() > -1e-9
    near = fitted.covariance("latency_ms", genes)
    assert np.diag(near).mean() < np.diag(covariance).mean()
    line = predictor.with_lines(fitted, ["latency_ms"]).covariance("latency_ms", asked)
    assert np.linalg.matrix_rank(line, tol=1e-12) == 2


# ---- second stages -------------------------------------------------------------------------


def second(**changed) -> dict:
    stage = {"kind": "lens", "from": "nas_bench_macro", "task": "first", "device": "macs"}
    return {
        "spaces": {"next": {**stage, **changed}},
        "datasets": {"cifar10": {"kind": "cifar10"}},
        "benchmarks": {"nas_bench_macro": {"cifar10": {"kind": "nas_bench_macro", "file": "f"}}},
        "devices": {"macs": {"kind": "ideal"}},
        "proxies": {name: {"kind": "depth", "space": name} for name in ("nas_bench_macro", "next")},
        "tasks": {
            name: {"dataset": "cifar10", "space": space, "proxies": [space]}
            for name, space in (("first", "nas_bench_macro"), ("second", "next"))
        },
        "searches": {"random": {"searcher": "random", "seeds": 2, "evaluations": 20}},
    }


@pytest.fixture(autouse=True)
def undeclared():
    before = plugins.of_study()
    yield
    plugins.declare(before)


def test_a_second_stage_is_planned_on_all_choices_and_read_when_it_is_made(tmp_path):
    from studies import graph_of

    graph = graph_of(second(), tmp_path)
    jobs = graph.jobs()
    lens_file = "results/spaces/nas_bench_macro/macs/lens.csv"
    assert jobs["results/spaces/next.yaml"].files == [lens_file]
    search = jobs["results/searches/second/macs/next.parquet"]
    assert "results/spaces/next.yaml" in search.files
    assert (
        "results/spaces/next.yaml"
        not in jobs["results/searches/first/macs/nas_bench_macro.parquet"].files
    )
    assert "results/gained/second/macs.csv" in jobs
    assert plugins.space("next").count == 6561

    made = {**yaml.safe_load(yaml.safe_dump(dict(plugins.declaration("nas_bench_macro") or {})))}
    made |= {"operations": ["identity", "mb6_5x5"]}
    file = tmp_path / "next.yaml"
    file.write_text(proposal.section({"next": made}))
    plugins.declare(resolved([file]))
    found = plugins.space("next")
    assert found.count == 2**8
    assert found.to_text([0, 1] * 4).startswith("|identity|mb6_5x5|+")
    # A lens on it would make it smaller again.
    smaller = proposal.smaller(found, {f"stage {n}": ["identity"] for n in (1, 2, 3)})
    assert smaller is not None
    assert smaller["operations"] == ["identity"]


def test_a_small_second_stage_of_a_large_space_is_drawn_whole(monkeypatch):
    stage = {"channels": 8, "layers": 2}
    made = {"kind": "layerwise", "stem": 8, "stages": [stage], "last": 16}
    made |= {"operations": ["mb3_3x3", "mb6_3x3"]}
    later = {"kind": "lens", "from": "mobile_i", "task": "first", "device": "macs", "made": made}
    monkeypatch.setenv(plugins.SPACES_VARIABLE, json.dumps({"next": later}))
    space = plugins.space("next")
    assert not space.enumerable  # as it was planned
    drawn = space.sample(1000, np.random.default_rng(0))
    assert sorted(map(tuple, drawn.tolist())) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_choice_of_a_layer_that_no_front_has_is_on_no_front(looked):
    shares = pd.DataFrame({"on_found_fronts": [0, np.nan, 0.5, 0], "on_exact_front": [0, 0, 0, 1]})
    vars(looked)["standing"] = shares
    assert looked.never.tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"from": "nothing"}, "no space 'nothing'"),
        ({"from": "next"}, "next <- next has no beginning"),
        ({"keep": 0}, "keep"),
        ({"task": "none"}, r"spaces\.next\.task is 'none'; expected one of: first, second"),
        ({"device": "none"}, r"spaces\.next\.device is 'none'; expected one of: macs"),
        (
            {"made": dict(plugins.declaration("nas_bench_macro") or {})},
            r"next\.made is filled in by",
        ),
        ({"task": "second"}, r"searches space 'next' with 1 proxies; expected a task that"),
    ],
)
def test_wrong_second_stages_are_refused(changed, said):
    with pytest.raises(InputError, match=said):
        checks.read(second(**changed), "config.yaml")


def test_a_lens_that_a_study_does_not_have_is_told_with_those_it_has(tmp_path):
    from studies import graph_of

    graph = graph_of(second(), tmp_path)
    with pytest.raises(InputError, match=r"it has: results/spaces/next/macs/lens\.md"):
        graph.lens("next", "macs", "lens_other")
    config = second()
    config["tasks"]["third"] = config["tasks"]["first"]
    names = set(graph_of(config, tmp_path).jobs())
    folder = "results/spaces/nas_bench_macro/macs"
    assert {f"{folder}/lens_first.csv", f"{folder}/lens_third.csv"} <= names


def test_what_was_gained_is_the_share_of_the_joint_front(tmp_path):
    rows = {}
    points = {"first": [(0.2, 1.0), (0.1, 2.0)], "second": [(0.2, 0.5), (0.1, 1.5), (0.0, 2.5)]}
    for stage, of in points.items():
        history = pd.DataFrame(of, columns=["error", "latency_ms"])
        history = history.assign(search="s", seed=0, evaluation=range(len(of)), generation=0)
        history = history.assign(arch="a", feasible=True, score=np.nan)
        file = tmp_path / f"{stage}.parquet"
        history.to_parquet(file)
        file.with_suffix(".json").write_text(json.dumps({"sources": {"latency_ms": "made up"}}))
        rows[stage] = row_of(history=str(file), task=stage)
    found = gained.table(rows).set_index("stage")
    assert found["on_joint_front"].to_dict() == {"first": 0, "second": 3}
    assert found.loc["second", "hypervolume"] == 1
    # Scaled by the second front, errors 0 to .2 and latencies .5 to 2.5: the first front is at
    # (1, .25), (.5, .75), that of the second at (1, 0), (.5, .5), (0, 1).
    assert found.loc["first", "hypervolume"] == pytest.approx(
        (0.1 * 0.85 + 0.5 * 0.35) / (0.1 * 1.1 + 0.5 * 0.6 + 0.5 * 0.1)
    )
    page = gained.page(
        rows, gained.table(rows), {"first": 6561, "second": 256}, gained.known(rows, alike=False)
    )
    assert "of one seed, so that chance is not known" in page
    assert "Do not trust this page: the scores of p and p" in page
