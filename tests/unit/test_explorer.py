import base64
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from nb201_space import nb201

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import RESOURCES, write_json
from hanas.fronts.otherwise import Trained, models_compared
from hanas.fronts.picks import found_front
from hanas.fronts.rows import Row, read_history
from hanas.proxies._proxy import SUPERNET_SCORES
from hanas.report import explorer

PARTS = RESOURCES / "explorer"
TEXTS = list(nb201.all_texts())
TEMPLATE = "<style>{{style}}</style><script id=data>{{data}}</script><script>{{script}}</script>"


def unpacked(text: str) -> np.ndarray:
    kind, encoded = text.split(":")
    return np.frombuffer(base64.b64decode(encoded), dtype=np.dtype(kind).newbyteorder("<"))


@pytest.fixture
def rows(tmp_path):
    """Two searches of one device, of which 200 architectures are known; every tenth cannot run."""
    rng = np.random.default_rng(0)
    archs = TEXTS[:200]
    accuracy = pd.DataFrame(
        {"arch": archs, "accuracy_percent": rng.uniform(10, 90, 200), "source": "a benchmark"}
    )
    device = pd.DataFrame(
        {
            "arch": archs,
            "feasible": np.arange(200) % 10 != 0,
            "latency_ms": rng.uniform(0.3, 4.3, 200),
            "energy_mj": rng.uniform(1, 9, 200),
            "source": "a board",
        }
    )
    device.loc[~device["feasible"], ["latency_ms", "energy_mj"]] = np.nan
    proxy = pd.DataFrame({"arch": archs, "error": rng.uniform(size=200), "source": "a guess"})
    objectives = proxy.merge(device, on="arch")
    histories = {}
    for name, count in (("nsga2", 90), ("random", 20)):
        rows_of = rng.permutation(200)[:count]
        history = objectives.iloc[rows_of][["arch", "error", "latency_ms", "energy_mj"]]
        history = history.reset_index(drop=True)
        history.insert(0, "seed", 0)
        history.insert(1, "evaluation", range(count))
        history["feasible"] = history["latency_ms"].notna()
        history.loc[~history["feasible"], "error"] = np.nan
        history["score"] = np.nan
        histories[name] = history
    tables = {"accuracies": accuracy, "metrics": device, "proxy_table": proxy}
    tables["history"] = pd.concat([of.assign(search=name) for name, of in histories.items()])
    for name, table in tables.items():
        table.to_parquet(tmp_path / name, index=False)
    write_json(
        tmp_path / "history.json", {"sources": {"error": "a guess", "latency_ms": "a board"}}
    )
    known = {
        **{"device": "board", "task": "pets", "dataset": "pets", "space": "nb201"},
        **{"proxy": "guess", "proxy_label": "GUESS", "proxy_objective": "error"},
        **{"trained_on": "", "trained_architectures": 0, "device_objectives": None},
        **{"history": str(tmp_path / "history"), "accuracy_floor_percent": 40},
        **{key: str(tmp_path / key) for key in ("accuracies", "metrics", "proxy_table")},
    }
    return [Row(search=name, search_label=name.upper(), **known) for name in histories]


def texts_of(data) -> np.ndarray:
    """Return the architectures of the page's columns."""
    return np.array(TEXTS)[unpacked(data["spaces"]["nb201"]["index"])]


def test_fronts_are_exact_and_in_the_order_of_the_pick(rows):
    data = explorer.explorer_data(rows)
    for row, run in zip(rows, data["runs"], strict=True):
        expected = found_front(read_history(row.history, row.search), nb201)
        assert texts_of(data)[unpacked(run["front"])].tolist() == expected["arch"].tolist()
        np.testing.assert_array_equal(unpacked(run["proxy_values"]), expected["error"])
        for metric in ("latency_ms", "energy_mj"):
            np.testing.assert_array_equal(unpacked(run["metric_values"][metric]), expected[metric])


def test_the_page_knows_how_far_to_trust_each_search(rows):
    data = explorer.explorer_data(rows)
    assert [of["search"] for of in data["trust"]] == ["nsga2", "random"]
    assert "taken from: a board" in data["trust"][0]["known"][0]
    # Scores and accuracies are random: they do not agree.
    assert "go by the true percentages" in data["trust"][0]["doubts"][0]


def test_columns_hold_the_tables(rows):
    data = explorer.explorer_data(rows)
    for file, column, number in (
        ("accuracies", "accuracy_percent", data["tasks"]["pets"]["accuracy_percent"]),
        ("metrics", "latency_ms", data["devices"]["board"]["pets"]["metrics"]["latency_ms"]),
        ("metrics", "energy_mj", data["devices"]["board"]["pets"]["metrics"]["energy_mj"]),
        ("proxy_table", "error", data["proxies"]["guess"]["of_task"]["pets"]["values"]),
    ):
        expected = (
            pd.read_parquet(getattr(rows[0], file)).set_index("arch").loc[texts_of(data), column]
        )
        np.testing.assert_array_equal(
            unpacked(data["columns"][number]), expected.to_numpy(dtype=np.float32)
        )
    genes = unpacked(data["spaces"]["nb201"]["genes"]).reshape(-1, 6)
    assert [nb201.to_text(row) for row in genes] == texts_of(data).tolist()
    assert data["tasks"]["pets"]["source"] == "a benchmark"
    assert data["devices"]["board"]["pets"]["source"] == "a board"
    assert data["proxies"]["guess"]["of_task"]["pets"]["source"] == "a guess"


def test_scores_beyond_single_precision_stay_what_they_are(rows):
    table = pd.read_parquet(rows[0].proxy_table)
    table["error"] = np.linspace(-1e90, 1e90, len(table))
    table.to_parquet(rows[0].proxy_table, index=False)
    data = explorer.explorer_data(rows)
    number = data["proxies"]["guess"]["of_task"]["pets"]["values"]
    expected = table.set_index("arch").loc[texts_of(data), "error"]
    np.testing.assert_array_equal(unpacked(data["columns"][number]), expected)


@pytest.mark.parametrize("metric", ["latency_ms", "energy_mj"])
def test_true_front_is_over_all_that_run_and_reach_the_floor(rows, metric):
    data = explorer.explorer_data(rows)
    table = pd.read_parquet(rows[0].metrics).merge(pd.read_parquet(rows[0].accuracies), on="arch")
    table = table[table["feasible"] & (table["accuracy_percent"] >= 40)]
    expected = []
    for _, one in table.sort_values(metric).iterrows():
        if not expected or one["accuracy_percent"] > expected[-1]["accuracy_percent"]:
            expected.append(one)
    front = unpacked(data["devices"]["board"]["pets"]["true_fronts"][metric])
    assert texts_of(data)[front].tolist() == [one["arch"] for one in expected]


def test_true_front_may_be_empty(rows):
    data = explorer.explorer_data([replace(row, accuracy_floor_percent=99) for row in rows])
    assert len(unpacked(data["devices"]["board"]["pets"]["true_fronts"]["latency_ms"])) == 0


def test_evaluations_are_thinned_evenly_and_counted(rows, monkeypatch):
    monkeypatch.setattr(explorer, "MOST_POINTS", 15)
    data = explorer.explorer_data(rows)
    for row, run in zip(rows, data["runs"], strict=True):
        history = read_history(row.history, row.search)
        feasible = history.loc[history["feasible"], "arch"].tolist()
        drawn = texts_of(data)[unpacked(run["drawn"])].tolist()
        assert len(set(drawn)) == 15
        assert (drawn[0], drawn[-1]) == (feasible[0], feasible[-1])
        positions = [feasible.index(arch) for arch in drawn]
        gaps = np.diff(positions)
        assert gaps.max() - gaps.min() <= 1
        assert run["evaluations"] == len(history)
        assert run["infeasible"] == (~history["feasible"]).sum() > 0


def test_a_column_that_two_tasks_share_is_embedded_once(rows):
    both = [*rows, *(replace(row, task="again") for row in rows)]
    data = explorer.explorer_data(both)
    assert len(data["columns"]) == len(explorer.explorer_data(rows)["columns"]) == 4


def test_a_search_without_a_feasible_evaluation_has_an_empty_front(rows):
    histories = pd.read_parquet(rows[1].history)
    of_run = histories["search"] == rows[1].search
    histories.loc[of_run, "feasible"] = False
    histories.loc[of_run, ["error", "latency_ms", "energy_mj"]] = np.nan
    histories.to_parquet(rows[1].history)
    run = explorer.explorer_data(rows)["runs"][1]
    assert (len(unpacked(run["front"])), len(unpacked(run["drawn"]))) == (0, 0)
    assert run["infeasible"] == run["evaluations"] == 20


def test_a_space_that_is_in_no_list_is_shown_by_what_was_evaluated(tmp_path, rows):
    space = plugins.space("mobile_i")
    texts = [space.to_text(genes) for genes in space.sample(6, np.random.default_rng(0))]
    history = pd.DataFrame({"seed": 0, "evaluation": range(6), "arch": texts, "generation": 0})
    history = history.assign(proxy_score=[3.0, 2, 9, 1, 4, 5], latency_ms=[1.0, 2, 9, 4, 8, np.nan])
    history["feasible"], history["score"] = history["latency_ms"].notna(), np.nan
    history.assign(search="nsga2").to_parquet(tmp_path / "large")
    write_json(tmp_path / "large.json", {"sources": {"score": "a model", "latency_ms": "a board"}})
    nothing = dict.fromkeys(("accuracies", "metrics", "proxy_table"))
    row = replace(rows[0], space="mobile_i", proxy_objective="score", task="mine", **nothing)
    row = replace(row, history=str(tmp_path / "large"), accuracy_floor_percent=0)
    data = explorer.explorer_data([*rows, row])
    run, shown = data["runs"][-1], data["spaces"]["mobile_i"]
    front = np.array(shown["texts"])[unpacked(run["front"])].tolist()
    assert front == [texts[3], texts[1], texts[0]]  # the best by the proxy first
    assert unpacked(run["metric_values"]["latency_ms"]).tolist() == [4.0, 2.0, 1.0]
    assert run["infeasible"] == 1
    assert data["tasks"]["mine"]["accuracy_percent"] is None
    device = data["devices"]["board"]["mine"]
    assert (device["complete"], device["source"]) == (False, "a board")
    assert not len(unpacked(device["true_fronts"]["latency_ms"]))
    assert data["tasks"]["pets"]["accuracy_percent"] is not None


def test_wrong_tables_are_named(rows):
    with pytest.raises(InputError, match="no search to show"):
        explorer.explorer_data([])
    table = pd.read_parquet(rows[0].accuracies)
    table[:-1].to_parquet(rows[0].accuracies)
    with pytest.raises(InputError, match="accuracies: has no architecture"):
        explorer.explorer_data(rows)


def test_no_text_of_the_user_can_end_the_script(rows):
    nasty = "</script><script>alert(1)</script><!-- {{style}} \u2028 \"quoted\" & 'so'"
    data = explorer.explorer_data([replace(row, search_label=nasty) for row in rows])
    made = explorer.html(data, page=TEMPLATE, style="body {}", script="'use strict'")
    assert made.count("</script>") == 2
    embedded = re.search(r"<script id=data>(.*?)</script>", made, re.DOTALL)
    assert embedded is not None
    assert "<" not in embedded[1]
    assert json.loads(embedded[1])["searches"]["nsga2"] == nasty


def test_template_must_have_every_place():
    with pytest.raises(InputError, match=r"has places \['data'\]"):
        explorer.html({}, page="{{data}}", style="", script="")


def test_page_is_of_one_piece(rows):
    parts = {
        name: (PARTS / file).read_text(encoding="utf-8")
        for name, file in (("page", "page.html"), ("style", "style.css"), ("script", "explorer.js"))
    }
    made = explorer.html(explorer.explorer_data(rows), **parts)
    assert "{{" not in made.split('<script type="application/json"')[0]
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", made)
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest|import\(", made)
    # The policy forbids what was overlooked.
    assert "default-src 'none'" in made
    assert "</script" not in parts["script"]


def test_equal_tables_give_equal_pages(rows):
    assert explorer.explorer_data(rows) == explorer.explorer_data(rows)


def test_every_score_of_a_supernet_has_its_words_on_the_page():
    script = (PARTS / "explorer.js").read_text()
    for column in SUPERNET_SCORES:
        assert f'objective === "{column}"' in script


def _trained() -> Trained:
    columns = {"device": "board", "seeds": 2, "test_accuracy_percent_std": 1.0, "test_images": 9}
    columns |= {"accuracy_source": "measured: <script>", "latency_source": "measured: there"}
    columns["largest_class_percent"] = 10.0
    frame = pd.DataFrame({"arch": ["a"], "number": [1], "latency_ms": [2.0], **columns})
    shelf = frame.assign(arch="mobilenet_v2@0.5", role="published", retraining="shelf")
    percents = ("test_accuracy_percent", "test_accuracy_percent_mean")
    others = models_compared(shelf.assign(**dict.fromkeys(percents, 90.0)), None)
    picks = frame.assign(role="pick", retraining="own", **dict.fromkeys(percents, 70.0))
    return Trained("mine", models_compared(picks, others), others)


def test_trained_models_are_shown_without_any_judged_search():
    data = explorer.explorer_data([], [("board", _trained())])
    (shown,) = data["trained"]
    assert data["runs"] == []
    assert (shown["device"], shown["task"]) == ("board", "mine")
    assert shown["headlines"][0].startswith("hanas loses here. Of 1 trained picks")
    assert [row[0] for row in shown["rows"]] == ["own/1", "mobilenet_v2@0.5"]
    assert {len(row) for row in shown["rows"]} == {len(shown["head"])}
    # No Markdown in the page, and nothing that could end its script.
    assert not re.search(r"[*`]", json.dumps([shown["headlines"], shown["rows"]]))
    page = explorer.html(data, page=TEMPLATE, style="", script="")
    assert "measured: <script>" not in page


def test_trained_models_say_how_far_to_trust_them_without_any_judged_search(tmp_path, rows):
    (row, _), trained = rows, _trained()
    facts = {"images_of_classes": {"test": {"a": 9, "b": 1}}, "warnings": ["copies"]}
    write_json(tmp_path / "images.json", facts)
    unjudged = {"task": "mine", "accuracies": None, "images": str(tmp_path / "images.json")}
    models = trained.models.assign(do_not_trust="images of pets: copies | it is unstable")
    search = replace(row, **unjudged)
    data = explorer.explorer_data([], [("board", replace(trained, models=models))], [search])
    (shown,) = data["trained"]
    assert shown["doubts"] == ["images of pets: copies", "trained own/1: it is unstable"]
    assert any("always answering 'a'" in said for said in shown["known"])
    elsewhere = explorer.explorer_data([], [("board", trained)], [replace(search, device="other")])
    assert elsewhere["trained"][0]["known"] == elsewhere["trained"][0]["doubts"] == []


def test_trained_models_stand_beside_judged_searches(rows):
    data = explorer.explorer_data(rows, [("board", _trained())])
    assert data["runs"]
    assert len(data["trained"]) == 1
    assert explorer.explorer_data(rows)["trained"] == []
