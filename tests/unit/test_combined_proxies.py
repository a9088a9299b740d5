"""Proxies made of other proxies, and what is checked about them when settings are read."""

from pathlib import Path

import pytest
import yaml

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.spaces import nb201
from hanas.study import combined_proxies, study

REPOSITORY = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((REPOSITORY / "config.schema.yaml").read_text(encoding="utf-8"))
ARCHS = list(nb201.all_texts())


def read_tiny(**proxies) -> dict:
    given = yaml.safe_load((REPOSITORY / "config" / "tiny.yaml").read_text(encoding="utf-8"))
    given["proxies"] |= proxies
    return given


def problems(**proxies) -> str:
    with pytest.raises(InputError) as error:
        study.complete(read_tiny(**proxies), SCHEMA, name="mine.yaml")
    return str(error.value)


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("params", "params"),
        ("net", "error of supernet small"),
        ("mean", "mean cross_entropy of net, other"),
        ("fused", "mean rank of net, params"),
        ("weighed", "mean rank of 3 x net, 0.5 x params, other"),
        ("learned", "learned from 40 architectures with fused, params"),
    ],
)
def test_what_a_search_ranks_by_is_put_into_words(proxy, words):
    proxies = {
        "params": {"kind": "params"},
        "net": {"kind": "supernet", "supernet": "small", "objective": "error"},
        "other": {"kind": "supernet", "supernet": "large", "objective": "error"},
        "mean": {"kind": "ensemble", "proxies": ["net", "other"], "objective": "cross_entropy"},
        "fused": {"kind": "fused", "proxies": ["net", "params"]},
        "weighed": {"kind": "fused", "proxies": ["net", "params", "other"], "weights": [3, 0.5, 1]},
        "learned": {"kind": "learned", "proxies": ["fused", "params"], "architectures": 40},
    }
    assert combined_proxies.in_words({"proxies": proxies}, proxy) == words


def fused_of(*names: str, **more) -> dict:
    return {"kind": "fused", "proxies": list(names), **more}


def test_names_of_members_are_checked():
    said = problems(both=fused_of("params", "gads_toy"))
    assert "proxies.both.proxies.1 is 'gads_toy'; expected one of: both, gdas_toy, params" in said
    assert "proxies.both: 'proxies' is missing" in problems(both={"kind": "fused"})


def test_circles_are_found():
    said = problems(a=fused_of("params", "b"), b=fused_of("a", "params"))
    assert "proxies.a.proxies: a -> b -> a is a circle" in said
    assert "proxies.b.proxies: b -> a -> b is a circle" in said
    assert "a -> a is a circle" in problems(a=fused_of("a", "params"))
    # What leads into a circle is not itself one.
    said = problems(a=fused_of("a", "params"), outside=fused_of("a", "params"))
    assert "outside" not in said


def test_weights_are_one_for_each():
    said = problems(both=fused_of("params", "gdas_toy", weights=[1]))
    assert "proxies.both.weights: 1 given; expected one for each of the 2 proxies" in said
    said = problems(both=fused_of("params", "gdas_toy", weights=[1, 0]))
    assert "proxies.both.weights.1 is 0; expected more than 0" in said


def test_an_ensemble_minimises_a_column_that_all_have():
    mixed = {"kind": "ensemble", "proxies": ["params", "gdas_toy"]}
    said = problems(mixed=mixed)
    assert "proxies.mixed.objective is 'error'; expected one of the columns" in said
    assert said.endswith("(none)")
    other = {"kind": "supernet", "supernet": "darts_toy"}
    same = {"kind": "ensemble", "proxies": ["other", "gdas_toy"], "objective": "cross_entropy"}
    completed = study.complete(read_tiny(other=other, same=same), SCHEMA, name="mine.yaml")
    assert combined_proxies.columns(completed, "same") == combined_proxies.SUPERNET_SCORES
    assert combined_proxies.objective(completed, "same") == "cross_entropy"
    assert combined_proxies.objective(completed, "params") == "score"
    assert combined_proxies.space(completed, "same") == "nb201"
    assert combined_proxies.trained_architectures(completed, "same") == 0


def test_what_a_learned_proxy_learns_from_is_checked():
    learned = {"kind": "learned", "proxies": ["params", "gdas_toy"]}
    said = problems(learned={**learned, "learns_from": "tyo"})
    assert "proxies.learned.learns_from is 'tyo'; expected one of: toy" in said
    said = problems(learned={**learned, "architectures": 20})
    assert "proxies.learned.first is 30; expected at most architectures, 20, or rounds of 0" in said
    at_once = {**learned, "architectures": 20, "rounds": 0}  # first is not looked at
    assert study.complete(read_tiny(learned=at_once), SCHEMA, name="mine.yaml")
    given = read_tiny(
        learned={**learned, "learns_from": "more"}, both=fused_of("learned", "params")
    )
    given["datasets"]["more"] = given["datasets"]["toy"]
    with pytest.raises(InputError, match=r"'more'; expected one of: toy \(the entries of benchm"):
        study.complete(given, SCHEMA, name="mine.yaml")
    given["proxies"]["learned"]["learns_from"] = "toy"
    given["proxies"]["again"] = fused_of("both", "learned", "params")
    given["proxies"]["twice"] = fused_of("again", "other_seed")
    given["proxies"]["other_seed"] = {**given["proxies"]["learned"], "seed": 1}
    completed = study.complete(given, SCHEMA, name="mine.yaml")
    assert combined_proxies.trained_architectures(completed, "learned") == 50
    assert combined_proxies.trained_architectures(completed, "both") == 50
    assert combined_proxies.trained_architectures(completed, "again") == 50  # paid for once
    assert combined_proxies.trained_architectures(completed, "twice") == 100


@pytest.mark.parametrize("kind", plugins.names("proxies"))
def test_every_kind_of_proxy_has_settings_in_the_schema(kind):
    assert f"proxies.new.{kind}_: no such setting" in problems(new={"kind": kind, f"{kind}_": 1})
