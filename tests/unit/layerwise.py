"""The spaces that are chains of layers, and architectures of them."""

import numpy as np
import pytest
from hypothesis import strategies as st

from hanas.core import plugins

LAYERWISE = [n for n in plugins.names("spaces") if plugins.space(n).layerwise]
#: But for nas_bench_macro, whose texts and sizes are the benchmark's (test_nas_bench_macro.py).
SPACES = [n for n in LAYERWISE if not plugins.space(n).enumerable]
#: The same for tests that take seconds each: the quick part of the tests looks at one of them.
COSTLY_SPACES = [
    name if name == "shuffle_i" else pytest.param(name, marks=pytest.mark.slow) for name in SPACES
]
WITH_IDENTITY = [n for n in SPACES if "identity" in plugins.space(n).operations]
#: Layers of each stage, as published: SPOS, and five stages of four bottlenecks.
STAGES = {"shuffle": (4, 4, 8, 4), "shuffle_i": (4, 4, 8, 4), "mobile_i": (4, 4, 4, 4, 4)}


def genes_of(name: str):
    choices = plugins.space(name).choices
    return st.tuples(*(st.integers(0, count - 1) for count in choices))


def random_genes(name: str, count: int, *, seed: int = 0) -> np.ndarray:
    choices = plugins.space(name).choices
    return np.random.default_rng(seed).integers(0, choices, size=(count, len(choices)))


def first_layers(name: str) -> list[int]:
    return [0, *np.cumsum(STAGES[name])[:-1].tolist()]
