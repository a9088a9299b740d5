"""Small searches of smooth trade-offs, for the tests of searchers."""

import numpy as np

from hanas.core import plugins

SCALARISING = ["cea", "wsea"]
LARGE = (5,) * 6
HUGE = (10,) * 25  # its size does not fit into 64 bits

SMALL = {
    "generations": 4,
    "population": 20,
    "parents": 5,
    "crossover": 8,
    "mutation": 9,
    "random": 3,
}


def settings_of(name, **changes):
    if name == "random":
        return {"evaluations": 100, **changes}
    samples = {"samples": 50} if name in SCALARISING else {}
    return {**SMALL, **samples, **changes}


def problem(objectives, choices):
    """Return a smooth trade-off: each objective wants another choice of every gene."""
    targets = np.linspace(0, 1, objectives)
    scale = np.maximum(np.array(choices) - 1, 1)

    def evaluate(genes):
        assert genes.dtype == np.int64
        return np.stack([np.abs(genes / scale - t).mean(axis=1) for t in targets], axis=1)

    return evaluate


def searcher(name, **changes):
    settings = {"searcher": name, **settings_of(name, **changes)}
    return plugins.plugin("searchers", name).read(settings, f"searches.{name}")


def run(name, evaluate, choices=LARGE, seed=0, **changes):
    return searcher(name, **changes).search(choices, evaluate, np.random.default_rng(seed))
