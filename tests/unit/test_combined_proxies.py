"""Proxies made of other proxies, and what is checked about them when settings are read."""

from pathlib import Path

import pytest
import yaml
from nb201_space import nb201

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.proxies._proxy import SUPERNET_SCORES
from hanas.study import checks as studies

REPOSITORY = Path(__file__).parents[2]
ARCHS = list(nb201.all_texts())


def read_tiny(**proxies) -> dict:
    given = yaml.safe_load((REPOSITORY / "config" / "tiny.yaml").read_text(encoding="utf-8"))
    given["proxies"] |= proxies
    return given


def problems(**proxies) -> str:
    with pytest.raises(InputError) as error:
        studies.read(read_tiny(**proxies), "mine.yaml")
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
    found = plugins.plugin("proxies", proxies[proxy]["kind"]).read(proxies[proxy])
    assert found.in_words(proxies[proxy].get("proxies", [])) == words


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
    completed = studies.read(read_tiny(other=other, same=same), "mine.yaml")
    assert completed.columns("same") == SUPERNET_SCORES
    assert completed.proxies["same"].objective == "cross_entropy"
    assert completed.proxies["params"].objective == "score"
    assert completed.proxy_space("same") == "nb201"
    assert completed.trained_architectures("same") == 0


def test_what_a_learned_proxy_learns_from_is_checked():
    learned = {"kind": "learned", "proxies": ["params", "gdas_toy"]}
    said = problems(learned={**learned, "learns_from": "tyo"})
    assert "proxies.learned.learns_from is 'tyo'; expected one of: toy" in said
    said = problems(learned={**learned, "architectures": 20})
    assert "proxies.learned.first is 30; expected at most architectures, 20, or rounds of 0" in said
    at_once = {**learned, "architectures": 20, "rounds": 0}  # first is not looked at
    assert studies.read(read_tiny(learned=at_once), "mine.yaml")
    given = read_tiny(
        learned={**learned, "learns_from": "more"}, both=fused_of("learned", "params")
    )
    given["datasets"]["more"] = given["datasets"]["toy"]
    with pytest.raises(InputError, match=r"'more'; expected one of: toy \(the entries of benchm"):
        studies.read(given, "mine.yaml")
    given["proxies"]["learned"]["learns_from"] = "toy"
    given["proxies"]["again"] = fused_of("both", "learned", "params")
    given["proxies"]["twice"] = fused_of("again", "other_seed")
    given["proxies"]["other_seed"] = {**given["proxies"]["learned"], "seed": 1}
    completed = studies.read(given, "mine.yaml")
    assert completed.trained_architectures("learned") == 50
    assert completed.trained_architectures("both") == 50
    assert completed.trained_architectures("again") == 50  # paid for once
    assert completed.trained_architectures("twice") == 100


@pytest.mark.parametrize("kind", plugins.names("proxies"))
def test_every_kind_of_proxy_has_settings_in_the_schema(kind):
    assert f"proxies.new.{kind}_: no such setting" in problems(new={"kind": kind, f"{kind}_": 1})
