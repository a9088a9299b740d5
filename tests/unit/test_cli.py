import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judged_study import ARCHS, write_search

from hanas import cli
from hanas.core.files import write_csv
from hanas.fronts import picks, trust
from hanas.fronts.decisions import decision_table
from hanas.fronts.settings import Peeling
from hanas.fronts.trust import Trust

ENERGY_MJ = [50.0, 40.0, 10.0, 20.0, 30.0, 5.0]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of a device with energy and one without, of two proxies and searches."""
    folder = tmp_path_factory.mktemp("study")
    rows = [
        write_search(folder, [[0, 1, 2, 3, 5]], energy_mj=ENERGY_MJ),
        write_search(folder, [[1, 3]], energy_mj=ENERGY_MJ, search="wsea"),
        write_search(folder, [[4]], energy_mj=ENERGY_MJ, proxy="none"),
    ]
    write_csv(decision_table(rows), folder / "results" / "decisions" / "mine.csv")
    trained = decision_table(rows, Peeling())
    write_csv(trained, folder / "results" / "evaluations" / "mine" / "trained_fronts.csv")
    rows = [write_search(folder, [[0, 3]], device="plain")]
    write_csv(decision_table(rows), folder / "results" / "decisions" / "plain.csv")
    return folder / "results"


def _pick(results, *arguments, device="mine", dataset="cifar10"):
    return cli.main(
        ["pick", "--device", device, "--dataset", dataset, "--results", str(results), *arguments]
    )


def _json(capsys, results, *arguments, **names):
    assert _pick(results, "--json", *arguments, **names) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], 0),
        (["--max-latency-ms", "5"], 0),
        (["--max-latency-ms", "4.99"], 1),
        (["--max-latency-ms", "2.5"], 2),
        (["--max-energy-mj", "15"], 2),
        (["--max-latency-ms", "3", "--max-energy-mj", "25"], 2),
        (["--max-latency-ms", "1", "--max-energy-mj", "25"], 3),
        (["--search", "wsea"], 1),
        (["--proxy", "none"], 4),
        (["--trained"], 0),
        (["--trained", "--max-latency-ms", "2.5"], 2),
    ],
)
def test_pick_is_the_best_by_the_proxy_within_the_limits(capsys, results, arguments, expected):
    picked = _json(capsys, results, *arguments)
    assert (picked["arch"], picked["index"]) == (ARCHS[expected], expected)


def test_json_says_all(capsys, results):
    picked = _json(capsys, results, "--max-latency-ms", "2")
    assert picked == {
        **{"device": "mine", "task": "t", "dataset": "cifar10", "proxy": "p", "search": "nsga2"},
        **{"method": "P+NSGA2", "space": "nb201", "seed": 0, "limits": {"latency_ms": 2.0}},
        **{"arch": ARCHS[2], "index": 2, "accuracy_percent": 70.0, "latency_ms": 2.0},
        **{"energy_mj": 10.0, "proxy_objective": "error", "proxy_value": 0.3},
        **{"accuracy_floor_percent": 50.0, "reaches_accuracy_floor": True},
        **{"accuracy_source": "true ones", "metrics_source": "a mine", "proxy_source": "a proxy"},
        **{"do_not_trust": [], "how_well_known": []},
    }


@pytest.fixture
def doubtful(tmp_path):
    """Results whose fronts should not be trusted, and one of which was trained."""
    row = write_search(tmp_path, [[0, 2]], energy_mj=ENERGY_MJ)
    trusts = {("mine", "t", "p", "nsga2"): Trust(("a is **not known**",), ("b", "c; d"))}
    trained = {
        **{"trained_accuracy_percent": [81.5, np.nan], "trained_std": [0.5, np.nan]},
        **{"trained_seeds": [2, np.nan], "measured_latency_ms": [4.5, np.nan]},
        **{"otherwise": "mobilenet_v2@0.5", "otherwise_accuracy_percent": 83.0},
        **{"otherwise_latency_ms": 4.25, "otherwise_points": [-1.5, np.nan]},
        **{"otherwise_points_uncertainty": [0.75, np.nan], "otherwise_ms": [0.25, np.nan]},
        **{"otherwise_verdict": ["worse", np.nan], "ties": [f"{ARCHS[2]}; {ARCHS[4]}", ""]},
    }
    for peeling, place in (
        (None, "decisions/mine"),
        (Peeling(), "evaluations/mine/trained_fronts"),
    ):
        table = decision_table([row], peeling).assign(**trained)
        write_csv(trust.beside(table, trusts), tmp_path / "results" / f"{place}.csv")
    return tmp_path / "results"


@pytest.mark.parametrize("kind", [[], ["--trained"]])
def test_a_pick_that_should_not_be_trusted_says_so_first(capsys, doubtful, kind):
    assert _pick(doubtful, *kind) == 0
    lines = capsys.readouterr().out.split("\n")
    assert lines[:3] == ["Do not trust this pick: b", "Do not trust this pick: c; d", ARCHS[0]]
    assert lines[-3:-1] == ["How well things are known:", "  - a is not known"]
    picked = _json(capsys, doubtful, *kind)
    assert picked["do_not_trust"] == ["b", "c; d"]
    assert picked["how_well_known"] == ["a is not known"]


def test_a_pick_that_was_trained_says_what_came_of_it(capsys, doubtful):
    assert _pick(doubtful) == 0
    said = capsys.readouterr().out
    assert "  trained        81.50 % (± 0.50, 2 seeds), measured 4.5 ms\n" in said
    assert "Otherwise: mobilenet_v2@0.5 (83.00 %, 4.25 ms)." in said
    assert "is 1.50 ± 0.75 points worse and 0.25 ms slower" in said
    assert f"  a tie          with 2 others of the front: {ARCHS[2]}, {ARCHS[4]}\n" in said
    trained = {"accuracy_percent": 81.5, "seeds": 2, "deviation_points": 0.5, "latency_ms": 4.5}
    assert _json(capsys, doubtful)["trained"] == trained
    other = _json(capsys, doubtful, "--max-latency-ms", "3")
    assert "trained" not in other
    assert "ties" not in other
    assert other["otherwise"].endswith("so which is better is not known.")


def test_words_say_all(capsys, results):
    assert _pick(results, "--max-latency-ms", "2", dataset="t") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    for text in (
        ARCHS[2],
        "index  2",
        "70.00 %  (true ones)",
        "2 ms  (a mine)",
        "10 mJ",
        "P+NSGA2",
    ):
        assert text in printed.out
    assert "Beware" not in printed.out


def test_picks_of_trained_fronts_say_what_they_cost(capsys, results):
    assert _pick(results, "--trained") == 0
    said = capsys.readouterr().out
    assert "P+NSGA2, trained, error 0.1  (true ones; looked up for the 5 architectures" in said


def test_an_empty_trained_front_says_why(capsys, tmp_path):
    row = write_search(tmp_path, [[5, 0, 2]])
    path = tmp_path / "results" / "evaluations" / "mine" / "trained_fronts.csv"
    write_csv(decision_table([row], Peeling(limit=1)), path)
    assert _pick(tmp_path / "results", "--trained") == 1
    assert "nothing that was trained reaches tasks.*" in capsys.readouterr().err


def test_a_useless_pick_comes_with_a_warning(capsys, results):
    assert _pick(results, "--max-latency-ms", "0.6") == 0
    assert "below the accuracy floor of cifar10, 50 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "names", "said"),
    [
        (
            ["--max-latency-ms", "0.1"],
            {},
            "nothing keeps within 0.1 ms on mine for t: the least on its front is 0.5 ms",
        ),
        (["--max-latency-ms", "2", "--max-energy-mj", "4"], {}, "is 0.5 ms; the least on its"),
        (["--max-latency-ms", "0"], {}, "a limit of 0 ms cannot be; give one above 0"),
        (["--max-energy-mj=-3"], {}, "a limit of -3 mJ cannot be"),
        (["--max-latency-ms", "nan"], {}, "a limit of nan ms cannot be"),
        (["--max-latency-ms", "inf"], {}, "a limit of inf ms cannot be"),
        ([], {"device": "other"}, "other.csv is not there (there are those of: mine, plain)"),
        (["--trained"], {"device": "plain"}, "trained_fronts.csv is not there (there are"),
        ([], {"device": "../decisions/mine"}, "is not there (there are those of: mine, plain)"),
        (["--trained", "--max-latency-ms", "0.6"], {}, "the least on its front is 1 ms"),
        ([], {"dataset": "cifar"}, "no results for cifar on mine; there are: cifar10, t"),
        (["--proxy", "q"], {}, "no proxy q for t on mine; there are: p, none"),
        (["--search", "q"], {}, "no search q for t on mine; there are: nsga2, wsea"),
        (["--max-energy-mj", "3"], {"device": "plain"}, "plain has no energy_mj to limit"),
    ],
)
def test_what_cannot_be_ends_with_status_1(capsys, results, arguments, names, said):
    assert _pick(results, *arguments, **names) == 1
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1


def test_missing_results_name_the_command(capsys, tmp_path):
    assert _pick(tmp_path) == 1
    said = capsys.readouterr().err
    assert "there are none yet" in said
    assert "snakemake --cores 2 results/decisions/mine.csv" in said


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"a\n1,2,3\n1\n2,3,4,5"])
def test_damaged_results_are_named(capsys, tmp_path, content):
    path = tmp_path / "decisions" / "mine.csv"
    path.parent.mkdir()
    path.write_bytes(content)
    assert _pick(tmp_path) == 1
    assert str(path) in capsys.readouterr().err


def test_a_data_set_of_two_tasks(capsys, tmp_path, results):
    table = pd.read_csv(results / "decisions" / "plain.csv", keep_default_na=False)
    both = pd.concat([table, table.assign(task="second")])
    write_csv(both, tmp_path / "decisions" / "plain.csv")
    assert _pick(tmp_path, device="plain") == 1
    assert "several tasks; give one: t, second" in capsys.readouterr().err
    assert _json(capsys, tmp_path, device="plain", dataset="second")["task"] == "second"


def test_names_that_look_like_numbers(capsys, tmp_path, results):
    table = pd.read_csv(results / "decisions" / "plain.csv", keep_default_na=False)
    table = table.assign(task="10", dataset="100", proxy="1", search="2")
    write_csv(table, tmp_path / "decisions" / "plain.csv")
    options = ["--proxy", "1", "--search", "2"]
    picked = _json(capsys, tmp_path, *options, device="plain", dataset="100")
    assert picked["task"] == "10"


@pytest.mark.parametrize(
    "arguments", [[], ["pick"], ["pick", "--device", "a"], ["pock"], ["pick", "--max-latency-ms"]]
)
def test_wrong_usage_ends_with_status_2(arguments):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2


def test_a_limit_that_is_no_number(results):
    with pytest.raises(SystemExit) as end:
        _pick(results, "--max-latency-ms", "fast")
    assert end.value.code == 2


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(latency=st.floats(0.4, 6), energy=st.floats(4, 60))
def test_the_command_and_the_library_agree(results, latency, energy):
    table = pd.read_csv(results / "decisions" / "mine.csv", keep_default_na=False)
    front = table[(table["proxy"] == "p") & (table["search"] == "nsga2")].reset_index(drop=True)
    limits = {"latency_ms": latency, "energy_mj": energy}
    position = picks.pick(front, limits)
    try:
        picked = cli.pick(results, device="mine", dataset="t", limits=limits)
    except cli.InputError:
        assert position is None
    else:
        assert picked["arch"] == front.loc[position, "arch"]


def test_the_installed_command_exists_and_help_imports_nothing_heavy():
    code = (
        "import sys, hanas.cli\n"
        "try:\n    hanas.cli.main(['pick', '--help'])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'pandas', 'torch', 'numpy'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--max-latency-ms" in done.stdout
