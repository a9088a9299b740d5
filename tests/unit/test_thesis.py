import pandas as pd
import pytest

from hanas.core.errors import InputError
from hanas.core.files import RESOURCES, read_csv, write_parquet
from hanas.report import thesis
from hanas.report.tables import Method

PUBLISHED = read_csv(RESOURCES / "thesis_tables.csv")
DATASETS = {"cifar10": "cifar10", "small": "imagenet16_120", "toy": "image_folder"}


def _table(*rows):
    columns = ["method", "dataset", "accuracy_percent", "latency_ms", "energy_mj"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(accuracy_source="true ones", metrics_source="a device")


NO_FRONTS = pd.DataFrame(columns=["method", "dataset", "seed"])


def _compared(*rows, device="edgegpu", fronts=NO_FRONTS):
    return thesis.comparison_table(
        _table(*rows),
        PUBLISHED,
        fronts,
        device="mine",
        published_device=device,
        datasets=DATASETS,
    )


def test_the_published_tables_are_whole():
    assert len(PUBLISHED) == 4 * 6 * 3
    assert not PUBLISHED.duplicated(["device", "method", "dataset"]).any()
    assert PUBLISHED["energy_mj"].isna().equals(PUBLISHED["device"] == "raspi4")


# GDAS+NSGA on edgegpu, CIFAR-10, was published as 92.95 %, 4.734 ms, 22.294 mJ.
@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ((92.95, 4.734, 22.294), "equal"),
        ((92.96, 4.738, 22.280), "equal"),  # within the tolerances
        ((92.97, 4.734, 22.294), "ours dominates"),
        ((92.95, 4.734, 22.0), "ours dominates"),
        ((92.95, 4.75, 22.294), "theirs dominates"),
        ((92.90, 4.9, 23.0), "theirs dominates"),
        ((93.5, 4.9, 22.0), "neither dominates"),
        ((92.0, 4.0, 20.0), "neither dominates"),
        ((92.95, 4.734, None), "equal"),  # energy is not compared
        ((92.95, None, None), "ours cannot run on the device"),
    ],
)
def test_verdicts(ours, verdict):
    line = _compared(("GDAS+NSGA", "cifar10", *ours)).iloc[0]
    assert line["verdict"] == verdict
    assert line["accuracy_percent_theirs"] == 92.95
    assert line["published_in"] == "thesis, table 5-3"
    compared = {None: "accuracy_percent+latency_ms"}
    if ours[1] is not None:
        expected = compared.get(ours[2], "accuracy_percent+latency_ms+energy_mj")
        assert line["compared"] == expected


def test_rows_without_a_counterpart_say_so():
    table = _compared(("params+NSGA", "cifar10", 90.0, 3.0, 20.0), ("GDAS", "toy", 90.0, 3.0, 2.0))
    ours = table.iloc[:2]
    assert ours["verdict"].tolist() == ["no published row"] * 2
    assert ours["published_in"].tolist() == ["", ""]
    theirs = table.iloc[2:]
    assert set(theirs["verdict"]) == {"not in this study"}
    assert set(theirs["dataset"]) == {"cifar10"}  # only of data sets that we show
    assert len(theirs) == 6


def test_data_sets_are_known_by_what_they_are():
    line = _compared(("GDAS", "small", 41.02, 6.288, 28.329)).iloc[0]
    assert (line["dataset"], line["verdict"]) == ("small", "equal")


def test_known_slips_are_noted():
    table = thesis.comparison_table(
        _table(("DARTS", "cifar100", 55.15, 2.458, 11.0)),
        PUBLISHED,
        NO_FRONTS,
        device="mine",
        published_device="edgegpu",
        datasets={"cifar100": "cifar100"},
    )
    assert table.loc[0, "note"].startswith("differs: index 1728")


def test_a_device_that_was_not_published():
    table = _compared(("GDAS", "cifar10", 90.0, 3.0, 2.0), device="pixel3")
    assert table["verdict"].tolist() == ["no published row"]
    words = thesis.comparison_markdown(table, published_device="pixel3")
    assert "No figures were published for pixel3" in words
    assert "| cifar10 | GDAS | 90.00 | – | 3.000 | – | 2.000 | – | no published row |  |" in words


def test_devices_without_energy_have_no_column_of_it():
    table = _compared(("GDAS", "cifar10", 93.67, 82.077, None), device="raspi4")
    assert "energy_mj_ours" not in table
    assert table.loc[0, "verdict"] == "equal"


def test_markdown_counts_the_verdicts():
    table = _compared(
        ("GDAS+NSGA", "cifar10", 93.0, 4.5, 22.0), ("GDAS+CEA", "cifar10", 93.1, 5.5, 22.0)
    )
    words = thesis.comparison_markdown(table, published_device="edgegpu")
    assert "Of the 2 rows that both have: ours dominates in 1, neither dominates in 1." in words
    assert "| 93.00 | 92.95 | 4.500 | 4.734 | 22.000 | 22.294 | ours dominates |" in words
    assert "- Sources of ours: true ones; a device." in words


def test_damaged_figures_are_refused():
    with pytest.raises(InputError, match="no column latency_ms"):
        thesis.comparison_table(
            _table(("GDAS", "cifar10", 90.0, 3.0, 2.0)),
            PUBLISHED.drop(columns="latency_ms"),
            NO_FRONTS,
            device="mine",
            published_device="edgegpu",
            datasets=DATASETS,
        )
    broken = PUBLISHED.copy()
    broken.loc[3, "accuracy_percent"] = None
    with pytest.raises(InputError, match="row 5: accuracy_percent"):
        thesis.comparison_table(
            _table(("GDAS", "cifar10", 90.0, 3.0, 2.0)),
            broken,
            NO_FRONTS,
            device="mine",
            published_device="edgegpu",
            datasets=DATASETS,
        )


def _front(*points, method="GDAS+NSGA", seed=0):
    columns = ["arch", "accuracy_percent", "latency_ms", "energy_mj"]
    front = pd.DataFrame(points, columns=columns)
    return front.assign(method=method, dataset="cifar10", seed=seed)


# GDAS+NSGA on edgegpu, CIFAR-10, was published as 92.95 %, 4.734 ms, 22.294 mJ: no point of the
# first front is as good in all three, although each value is reached by one of them.
MISSES = (("a", 92.0, 4.0, 20.0), ("b", 93.5, 4.8, 22.0), ("c", 93.5, 4.7, 22.4))
HITS = (*MISSES, ("d", 92.94, 4.738, 22.3), ("e", 93.2, 4.1, 21.0), ("f", 50.0, 1.0, 5.0))


@pytest.mark.parametrize(
    ("seeds", "said", "count", "arch"),
    [
        ((MISSES, MISSES), "in no seed", 0, ""),
        ((HITS, MISSES), "in some seeds", 1, "e"),
        ((MISSES, HITS), "in some seeds", 1, ""),  # the one that is shown is of the first seed
        ((HITS, HITS), "in every seed", 2, "e"),
        ((MISSES[:1], HITS[3:4]), "in some seeds", 1, ""),  # within the tolerances
    ],
)
def test_what_the_front_holds(seeds, said, count, arch):
    fronts = pd.concat([_front(*points, seed=seed) for seed, points in enumerate(seeds)])
    table = _compared(
        ("GDAS+NSGA", "cifar10", 92.0, 4.0, 20.0), ("GDAS", "toy", 9.0, 3.0, 2.0), fronts=fronts
    )
    line = table.iloc[0]
    assert (line["front_as_good"], line["seeds_as_good"], line["front_seeds"]) == (said, count, 2)
    assert line["arch_as_good"] == arch
    assert line["verdict"] == "neither dominates"
    others = table.iloc[1:]
    assert (others["front_as_good"] == "").all()
    assert others["seeds_as_good"].isna().all()
    words = thesis.comparison_markdown(table, published_device="edgegpu")
    assert f"| neither dominates | {count} of 2 seeds |  |" in words
    assert f"GDAS+NSGA {int(count == 2)} of 1" in words


def test_where_nothing_is_published_nothing_is_said_of_fronts():
    table = _compared(("GDAS", "cifar10", 90.0, 3.0, 2.0), device="pixel3", fronts=_front(*HITS))
    assert not set(thesis.FRONT_COLUMNS) & set(table)
    assert "Front" not in thesis.comparison_markdown(table, published_device="pixel3")


def test_found_fronts_are_those_of_the_proxy_with_their_true_values(tmp_path):
    archs = ["a", "b", "c", "d"]
    truth = pd.DataFrame({"arch": archs, "accuracy_percent": [90.0, 80.0, 70.0, 60.0]})
    metrics = pd.DataFrame({"arch": archs, "latency_ms": [4.0, 3.0, 2.0, 1.0]})
    for name, table in (("truth", truth), ("metrics", metrics)):
        write_parquet(table.assign(source=name), tmp_path / f"{name}.parquet")
    # What a proxy believes, of two seeds: of the first, c is dominated by d; of the second, b is
    # infeasible; the other search is not asked for.
    evaluated = [("nsga2", 0, archs[:4], [1.0, 2.0, 4.0, 3.0]), ("nsga2", 1, archs[:2], [1.0, 0.5])]
    evaluated.append(("random", 0, archs[:1], [1.0]))
    history = pd.concat(
        pd.DataFrame(
            {
                "search": search,
                "seed": seed,
                "evaluation": range(len(found)),
                "generation": 0,
                "arch": found,
                "proxy_score": scores,
                "latency_ms": metrics["latency_ms"][: len(found)],
                "feasible": [not (seed and arch == "b") for arch in found],
                "score": float("nan"),
            }
        )
        for search, seed, found, scores in evaluated
    )
    write_parquet(history, tmp_path / "history.parquet")
    of_task = {"task": "t", "dataset": "cifar10", "space": "nb201", "trained_on": ""}
    of_task |= {"trained_architectures": 0, "ranked_by": None}
    of_task |= {
        "accuracies": str(tmp_path / "truth.parquet"),
        "metrics": str(tmp_path / "metrics.parquet"),
    }
    rows = [
        Method(method="GDAS", search=None, file="found.json", **of_task),
        Method(method="P+CEA", search="cea", file=str(tmp_path / "history.parquet"), **of_task),
        Method(method="alone", search=None, file="found.json", **{**of_task, "task": "other"}),
    ]
    found = thesis.found_fronts(rows, "nsga2")
    for method in ("GDAS", "P+CEA"):  # of what a trainer found, the front of its task's proxy
        front = found[found["method"] == method]
        assert list(zip(front["seed"], front["arch"], strict=True)) == [
            *((0, "a"), (0, "b"), (0, "d")),
            (1, "a"),
        ]
        assert front["accuracy_percent"].tolist() == [90.0, 80.0, 60.0, 90.0]
        assert front["latency_ms"].tolist() == [4.0, 3.0, 1.0, 4.0]
    assert "alone" not in set(found["method"])
