import pandas as pd
import pytest

from hanas.core.errors import InputError
from hanas.core.files import RESOURCES, read_csv
from hanas.report import thesis

PUBLISHED = read_csv(RESOURCES / "thesis_tables.csv")
DATASETS = {"cifar10": "cifar10", "small": "imagenet16_120", "toy": "image_folder"}


def _table(*rows):
    columns = ["method", "dataset", "accuracy_percent", "latency_ms", "energy_mj"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(accuracy_source="true ones", metrics_source="a device")


def _compared(*rows, device="edgegpu"):
    return thesis.comparison_table(
        _table(*rows),
        PUBLISHED,
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
            device="mine",
            published_device="edgegpu",
            datasets=DATASETS,
        )
