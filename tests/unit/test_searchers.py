import json
import math
import os
import pickle
import re
import subprocess
import sys
from itertools import product

import numpy as np
import pandas as pd
import pytest
from nb201_space import nb201
from toy_searches import HUGE, LARGE, SCALARISING, problem, run, searcher

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.fronts.truth import normalised_hypervolume
from hanas.search.searchers._searcher import History, Ledger

SEARCHERS = plugins.names("searchers")
EVOLUTIONARY = [name for name in SEARCHERS if name != "random"]


def python(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), **environment},
    )
    return result.stdout


def test_there_are_the_searchers_of_the_thesis():
    assert set(SEARCHERS) >= {"nsga2", "wsea", "cea", "random"}


@pytest.mark.parametrize("name", SEARCHERS)
def test_history_keeps_the_contract(name):
    expected = {"random": 100, "nsga2": 5 * 20}.get(name, 50 + 5 * 20)
    generations = [0] * 100 if name == "random" else np.repeat(range(5), 20).tolist()
    samples = [-1] * 50 if name in SCALARISING else []
    for objectives, choices in product([1, 2, 3], [LARGE, HUGE, (7, 2, 3, 9, 1, 11, 4)]):
        evaluate = problem(objectives, choices)
        history = run(name, evaluate, choices)
        assert isinstance(history, History)
        assert history.genes.shape == (expected, len(choices))
        assert history.genes.dtype == np.int64
        assert (history.genes >= 0).all()
        assert (history.genes < np.array(choices)).all()
        assert len(np.unique(history.genes, axis=0)) == expected
        assert np.array_equal(history.objectives, evaluate(history.genes))
        assert history.generation.tolist() == samples + generations
        assert np.isnan(history.score).all() == (name not in SCALARISING)


@pytest.mark.parametrize("name", SEARCHERS)
def test_defaults_are_the_thesis_settings(name):
    default = plugins.plugin("searchers", name).read({"searcher": name})
    history = default.search(LARGE, problem(2, LARGE), np.random.default_rng(0))
    assert default.seeds == 15
    assert len(history) == (2050 if name in SCALARISING else 1050)
    assert history.generation.max() == (0 if name == "random" else 20)


@pytest.mark.parametrize("name", SEARCHERS)
def test_same_generator_same_history_whatever_numpys_global_state(name):
    evaluate = problem(2, LARGE)
    np.random.seed(1)  # noqa: NPY002
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002
    first = run(name, evaluate, seed=3)
    assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    second = run(name, evaluate, seed=3)
    assert np.array_equal(first.genes, second.genes)
    assert np.array_equal(first.generation, second.generation)
    other = run(name, evaluate, seed=4)
    assert not np.array_equal(first.genes, other.genes)


@pytest.mark.slow
def test_same_history_in_another_process():
    # Sets of bytes are hashed with a different seed in every process: no order may hang on it.
    code = (
        "import numpy as np; from hanas.core import plugins\n"
        "for name in plugins.names('searchers'):\n"
        "    searcher = plugins.plugin('searchers', name).read({'searcher': name})\n"
        "    h = searcher.search((3, 4, 5), lambda g: g[:, :2] * 1.0, np.random.default_rng(0))\n"
        "    print(h.genes.tolist())"
    )
    outputs = [python(code, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    assert outputs[0] == outputs[1]
    lines = outputs[0].splitlines()
    assert [len(json.loads(line)) for line in lines] == [60] * len(SEARCHERS)


@pytest.mark.parametrize("name", SEARCHERS)
def test_small_space_is_searched_whole_and_then_the_search_ends(name):
    for choices in ((2, 3, 7), (1, 1), (3, 4)):
        history = run(name, problem(2, choices), choices)
        assert len(history) == math.prod(choices)
        assert len(np.unique(history.genes, axis=0)) == math.prod(choices)


@pytest.mark.parametrize("name", SEARCHERS)
def test_infeasible_architectures_are_counted_but_never_on_the_front(name):
    inner = problem(2, LARGE)

    def evaluate(genes):
        objectives = inner(genes)
        objectives[genes[:, 0] == 0, 1] = np.nan  # as edgetpu: an error, but no latency
        return objectives

    history = run(name, evaluate)
    infeasible = history.genes[:, 0] == 0
    assert infeasible.any()
    assert np.array_equal(history.feasible, ~infeasible)
    assert not np.isin(history.front, np.flatnonzero(infeasible)).any()
    if name in SCALARISING:
        assert np.isinf(history.score[infeasible]).all()
        assert np.isfinite(history.score[~infeasible]).any()


@pytest.mark.parametrize("name", EVOLUTIONARY)
def test_infeasible_architectures_are_never_parents(name):
    # Half of all architectures are infeasible, so the 15 parents could not all be feasible if
    # every survivor might be one. Crossover alone brings gene 0 in from nowhere but a parent.
    choices = (2,) + (50,) * 8
    inner = problem(2, choices)

    def evaluate(genes):
        objectives = inner(genes)
        objectives[genes[:, 0] == 1] = np.nan
        return objectives

    changes = {"parents": 15, "crossover": 20, "mutation": 0, "random": 0}
    history = run(name, evaluate, choices, **changes)
    first = history.genes[history.generation == 0, 0]
    assert (first == 1).sum() >= 5
    assert (first == 0).sum() < 15
    assert (history.genes[history.generation > 0, 0] == 0).all()


@pytest.mark.parametrize("name", EVOLUTIONARY)
def test_only_the_best_are_parents_and_they_survive(name):
    # One objective without ties, crossover alone: a child's genes are its two parents', the two
    # best of all generations before; once all mixtures of the two are known, chance fills up.
    weights = np.random.default_rng(5).random(25)
    changes = {"parents": 2, "crossover": 20, "mutation": 0, "random": 0}
    history = run(name, lambda genes: (genes @ weights)[:, None], HUGE, **changes)
    evolved = history.generation >= 0
    for generation in (1, 2, 3):
        before = evolved & (history.generation < generation)
        order = np.argsort(history.objectives[before, 0])
        first, second = history.genes[before][order[:2]]
        children = history.genes[history.generation == generation]
        inherited = ((children == first) | (children == second)).all(axis=1)
        mixtures = 2 ** (first != second).sum() - 2  # besides the parents themselves
        assert inherited.sum() == min(20, mixtures)


@pytest.mark.parametrize("name", EVOLUTIONARY)
def test_children_are_made_in_the_numbers_set(name):
    # Genes tell where a child is from: a mutant of gene rate 0 is no new architecture, so with
    # it each child that is not of two parents is a random one.
    changes = {"parents": 2, "crossover": 12, "mutation": 5, "random": 3}
    history = run(name, problem(1, HUGE), HUGE, mutation_probability=0, **changes)
    population = history.genes[history.generation == 0]
    best = population[np.argsort(history.objectives[history.generation == 0, 0])[:2]]
    children = history.genes[history.generation == 1]
    inherited = ((children == best[0]) | (children == best[1])).all(axis=1)
    assert inherited.tolist() == [True] * 12 + [False] * 8


@pytest.mark.parametrize("name", ["nsga2", "random"])
def test_nothing_feasible_is_a_result_too(name):
    history = run(name, lambda genes: np.full((len(genes), 2), np.nan))
    assert len(history) == 100
    assert len(history.front) == 0


@pytest.mark.parametrize("name", SCALARISING)
def test_nothing_feasible_leaves_nothing_to_scale_by(name):
    with pytest.raises(InputError, match=f"{name}: none of 50 random architectures is feasible"):
        run(name, lambda genes: np.full((len(genes), 2), np.nan))


@pytest.mark.parametrize("name", EVOLUTIONARY)
def test_one_feasible_architecture_is_enough_to_go_on(name):
    def evaluate(genes):
        objectives = np.full((len(genes), 2), np.nan)
        objectives[(genes == 0).all(axis=1)] = 1.0
        return objectives

    # In a space of 81 every architecture is evaluated; the one that works has mutants only.
    changes = {"samples": 79} if name in SCALARISING else {}
    history = run(name, evaluate, (3, 3, 3, 3), seed=1, **changes)
    assert len(history) == 81
    assert history.genes[history.front].tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("name", EVOLUTIONARY)
def test_evolution_beats_random_search(name):
    evaluate = problem(1, HUGE)
    best = np.mean([run(name, evaluate, HUGE, seed=s).objectives.min() for s in range(5)])
    chance = np.mean([run("random", evaluate, HUGE, seed=s).objectives.min() for s in range(5)])
    assert best < chance


def test_wsea_score_is_the_mean_of_normalised_objectives():
    history = run("wsea", problem(3, LARGE))
    sampled = history.objectives[history.generation == -1]
    normalised = (history.objectives - sampled.mean(axis=0)) / sampled.std(axis=0)
    assert history.score == pytest.approx(normalised.mean(axis=1))


def test_cea_score_is_the_error_within_the_limits():
    history = run("cea", problem(3, LARGE), percentile=30)
    sampled = history.objectives[history.generation == -1]
    limits = np.percentile(sampled[:, 1:], 30, axis=0)
    within = (history.objectives[:, 1:] <= limits).all(axis=1)
    assert 0 < within.sum() < len(within)
    assert np.array_equal(history.score[within], history.objectives[within, 0])
    assert np.isinf(history.score[~within]).all()


def test_cea_improves_within_its_limits():
    # A knapsack: less error costs more latency, at a rate that differs from gene to gene.
    gains, costs = np.random.default_rng(8).random((2, 25))

    def evaluate(genes):
        return np.stack([100 - genes @ gains, 1 + genes @ costs], axis=1)

    history = run("cea", evaluate, HUGE, generations=20)
    samples = history.generation == -1
    last = history.generation == 20
    assert history.score[last].min() < history.score[samples].min() - 3
    # The limit is where the search ends: without it, it would be the largest latency.
    limit = np.percentile(history.objectives[samples, 1], 60)
    best = np.argmin(history.score)
    assert history.objectives[best, 1] <= limit < history.objectives[:, 1].max()


@pytest.mark.parametrize("name", SCALARISING)
def test_constant_objective_does_not_matter(name):
    evaluate = problem(2, LARGE)
    constant = 0.1 + 0.2  # whose mean over 50 samples is not exactly itself
    flat = run(
        name, lambda genes: np.column_stack([evaluate(genes), np.full(len(genes), constant)])
    )
    plain = run(name, evaluate)
    assert np.array_equal(flat.genes, plain.genes)
    assert np.isfinite(flat.score).sum() == np.isfinite(plain.score).sum()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"populaton": 50}, ".populaton: no such setting; expected one of: crossover, generations"),
        ({"population": 51}, ": crossover + mutation + random is 20; expected population, 51"),
        ({"parents": 21}, ".parents is 21; expected at most population"),
        ({"parents": 1}, ".parents is 1; expected at least 2"),
        ({"generations": 0}, ".generations is 0; expected at least 1"),
        ({"generations": 2.5}, ".generations is 2.5; expected a whole number"),
        ({"generations": True}, ".generations is True; expected a whole number"),
        ({"mutation_probability": 1.5}, ".mutation_probability is 1.5; expected at most 1"),
        ({"mutation_probability": "0.1"}, ".mutation_probability is '0.1'; expected a number"),
        ({"mutation_probability": math.nan}, ".mutation_probability is nan; expected a finite"),
    ],
)
def test_settings_that_cannot_be(changes, message):
    for name in EVOLUTIONARY:
        with pytest.raises(InputError, match=re.escape(f"searches.{name}{message}")):
            searcher(name, **changes)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("random", {"evaluations": 0}, "random.evaluations is 0; expected at least 1"),
        ("random", {"population": 50}, "random.population: no such setting"),
        ("nsga2", {"samples": 100}, "nsga2.samples: no such setting"),
        ("wsea", {"samples": 1}, "wsea.samples is 1; expected at least 2"),
        ("wsea", {"percentile": 50}, "wsea.percentile: no such setting"),
        ("cea", {"percentile": 101}, "cea.percentile is 101; expected at most 100"),
        ("cea", {"seeds": 0}, "cea.seeds is 0; expected at least 1"),
    ],
)
def test_settings_of_the_others_that_cannot_be(name, changes, message):
    with pytest.raises(InputError, match=re.escape(f"searches.{message}")):
        searcher(name, **changes)


def test_what_changes_no_result_is_no_parameter():
    given = searcher("nsga2", label="NSGA-II").params()
    assert "label" not in given
    assert given == searcher("nsga2").params()
    assert given["seeds"] == 15


@pytest.mark.parametrize(
    ("evaluate", "message"),
    [
        (lambda genes: np.zeros(len(genes)), "expected a row each"),
        (lambda genes: np.zeros((1, 2)), "expected a row each"),
        (lambda genes: np.full((len(genes), 2), np.inf), "objective 0 of .* is infinite"),
    ],
)
def test_evaluation_that_breaks_the_contract(evaluate, message):
    for name in SEARCHERS:
        with pytest.raises(InputError, match=message):
            run(name, evaluate)


def test_number_of_objectives_must_not_change():
    ledger = Ledger((5, 5), lambda genes: np.zeros((len(genes), len(genes))))
    rng = np.random.default_rng(0)
    ledger.evaluate(ledger.draw(2, rng), 0)
    with pytest.raises(InputError, match="3 objectives after 2"):
        ledger.evaluate(ledger.draw(3, rng), 1)


@pytest.mark.parametrize("choices", [(), (3, 0), ((2, 2), (2, 2))])
def test_choices_that_cannot_be(choices):
    with pytest.raises(InputError, match="choices"):
        Ledger(choices, problem(1, (2,)))


def test_searchers_import_nothing_heavy():
    code = (
        "import sys; from hanas.core import plugins\n"
        "for name in plugins.names('searchers'): plugins.plugin('searchers', name)\n"
        "heavy = ('torch', 'pandas', 'matplotlib', 'pymoo', 'scipy')\n"
        "print([module for module in heavy if module in sys.modules])"
    )
    assert python(code).strip() == "[]"


@pytest.fixture(scope="module")
def error(data_folder):
    table = pd.read_parquet(data_folder / "nb201_accuracy_cost.parquet")
    return 1 - table["v11_c10_test_acc_200ep"].to_numpy() / 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "target"), [("eyeriss", 0.985), ("fpga", 0.985), ("raspi4", 0.998)]
)
def test_nsga2_finds_the_true_front_of_real_tables(data_folder, error, device, target):
    table = pd.read_parquet(data_folder / "hw_nas_bench_nb201.parquet")
    objectives = np.stack([error, table[f"c10_{device}_latency_ms"].to_numpy()], axis=1)
    front = objectives[non_dominated(objectives)]

    def evaluate(genes):
        return objectives[nb201.index_of(genes)]

    shares = []
    for seed in range(15):
        default = plugins.plugin("searchers", "nsga2").read({"searcher": "nsga2"})
        history = default.search(nb201.choices, evaluate, np.random.default_rng(seed))
        assert len(history) == 1050
        shares.append(normalised_hypervolume(history.objectives, front))
    assert np.mean(shares) >= target
