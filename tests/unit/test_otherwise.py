"""Trained picks beside published networks and random members: by hand, with Student's table."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanas.fronts import otherwise
from hanas.fronts.otherwise import Trained, beside_front, models_compared
from hanas.fronts.otherwise_in_words import comparison, pick_in_words, section

#: Student's t for 95 % of 1 and 4 degrees of freedom, from a printed table.
T1, T4 = 12.706, 2.776


def models(accuracies, latencies, *, role="pick", std=1.0, seeds=2, loss=0.0, archs="abcdefgh"):
    count = len(accuracies)
    return pd.DataFrame(
        {
            "retraining": "own" if role != "published" else "shelf",
            "number": range(1, count + 1),
            "arch": list(archs)[:count],
            "device": "board",
            "role": role,
            "test_accuracy_percent": [float(value) for value in accuracies],
            "seeds": seeds,
            "test_accuracy_percent_mean": [float(value) for value in accuracies],
            "test_accuracy_percent_std": std if seeds > 1 else np.nan,
            "int8_loss_percent": loss,
            "largest_class_percent": 10.0,
            "precision": "int8",
            "latency_ms": latencies,
            "test_images": 100,
            "accuracy_source": "measured: here",
            "latency_source": "measured: there",
        }
    )


def shelf(accuracies, latencies, **how):
    names = [f"mobilenet_v2@{width}" for width in (0.25, 0.5, 1, 2)]
    return models_compared(
        models(accuracies, latencies, role="published", archs=names, **how), None
    )


def test_the_most_accurate_that_is_as_fast_is_taken_otherwise():
    others = shelf([50, 60, 70], [1.0, 2.0, 4.0])
    # 1.91 ms: 2 ms is less than 5 % slower. Below 1 / 1.05 ms none is as fast: the fastest.
    for latency, expected in ((4, 70), (3.9, 70), (3.8, 60), (1.91, 60), (1.9, 50), (0.5, 50)):
        found = otherwise.at_latency(latency, others)
        assert found["device_accuracy_percent"] == expected


def test_differences_and_their_uncertainty_by_hand():
    others = shelf([60.0, 66.0], [1.0, 2.0], std=2.0)
    table = models_compared(models([70.0, 50.0], [2.0, 1.0], std=1.0), others)
    first, second = table.to_dict("records")
    assert first["otherwise"] == "mobilenet_v2@0.5"
    assert (first["otherwise_accuracy_percent"], first["otherwise_latency_ms"]) == (66, 2)
    assert (first["otherwise_points"], first["otherwise_ms"]) == (4, 0)
    assert (second["otherwise_points"], second["otherwise_ms"]) == (-10, 0)
    # Variances of 1, 1, 4, 4 with a degree of freedom each; means of two and of two.
    expected = T4 * np.sqrt((1 + 1 + 4 + 4) / 4) * np.sqrt(1 / 2 + 1 / 2)
    assert first["otherwise_points_uncertainty"] == pytest.approx(expected, rel=1e-3)
    assert first["otherwise_verdict"] == otherwise.SAME  # 4 points, uncertain by 4.4
    assert second["otherwise_verdict"] == otherwise.WORSE


def test_models_with_more_seeds_count_more():
    both = pd.concat(
        [models([60], [1], std=1.0, seeds=2), models([60], [1], std=3.0, seeds=4, archs="b")]
    )
    spread = otherwise.spread_between_seeds(both)
    assert spread.freedom == 4
    assert spread.deviation == pytest.approx(np.sqrt((1 * 1 + 3 * 9) / 4))
    assert spread.uncertainty(2, 4) == pytest.approx(
        T4 * spread.deviation * np.sqrt(3 / 4), rel=1e-3
    )
    assert otherwise.Spread(1.0, 1).uncertainty(1, 1) == pytest.approx(T1 * np.sqrt(2), rel=1e-3)


def test_one_seed_each_judges_nothing():
    table = models_compared(models([90.0], [2.0], seeds=1), shelf([10.0], [2.0], seeds=1))
    assert table["otherwise_verdict"].tolist() == [otherwise.UNKNOWN]
    assert table["otherwise_points_uncertainty"].isna().all()
    table = models_compared(models([10.0], [2.0], seeds=1), shelf([90.0], [2.0], seeds=1))
    assert table["otherwise_verdict"].tolist() == [otherwise.UNKNOWN]


def test_faster_than_all_of_them_is_no_loss():
    table = models_compared(models([10.0, 95.0], [0.5, 0.5]), shelf([60.0], [2.0]))
    assert table["otherwise_verdict"].tolist() == [otherwise.FASTER, otherwise.BETTER]
    assert table["otherwise_ms"].tolist() == [-1.5, -1.5]


def test_accuracy_is_that_of_the_precision_of_the_device():
    table = models([70.0, 60.0], [1.0, 2.0], loss=1.5)
    assert otherwise.with_device_accuracy(table)["device_accuracy_percent"].tolist() == [68.5, 58.5]
    table = otherwise.with_device_accuracy(table.assign(precision="float32"))
    assert table["device_accuracy_percent"].tolist() == [70, 60]
    # A device with a table of its own has no precision.
    bare = otherwise.with_device_accuracy(table.drop(columns="precision"))
    assert bare["device_accuracy_percent"].tolist() == [70, 60]


def test_devices_are_kept_apart_and_models_without_a_latency_left_out():
    mine = pd.concat([models([70.0], [2.0]), models([70.0], [20.0]).assign(device="phone")])
    mine = pd.concat([mine, models([70.0], [np.nan], archs="b")], ignore_index=True)
    others = pd.concat([shelf([60.0], [2.0]), shelf([65.0], [20.0]).assign(device="phone")])
    table = models_compared(mine, others)
    assert table["otherwise_accuracy_percent"].tolist()[:2] == [60, 65]
    assert table["otherwise"].isna().tolist() == [False, False, True]
    alone = models_compared(mine, others[others["device"] == "phone"])
    assert alone["otherwise"].isna().tolist() == [True, False, True]


def test_random_members_are_compared_with_picks_and_not_with_themselves():
    mine = pd.concat(
        [models([70.0, 50.0], [2.0, 1.0]), models([60.0], [1.0], role="random", archs="r")],
        ignore_index=True,
    )
    table = models_compared(mine, shelf([30.0], [1.0]))
    assert table["random"].tolist()[:2] == ["r", "r"]
    assert table["random_points"].tolist()[:2] == [10, -10]
    assert table.loc[2, ["random", "random_points", "random_verdict"]].isna().all()
    assert table["otherwise_points"].tolist() == [40, 20, 30]


def front(archs, latencies, device="board"):
    return pd.DataFrame({"task": "mine", "device": device, "arch": archs, "latency_ms": latencies})


def test_a_front_says_what_one_would_take_otherwise_trained_or_not():
    others = shelf([60.0, 80.0], [1.0, 3.0])
    trained = Trained("mine", models_compared(models([70.0], [2.5]), others), others)
    table = beside_front(front(["a", "z"], [2.0, 3.0]), [trained])
    first, second = table.to_dict("records")
    assert (first["trained_accuracy_percent"], first["measured_latency_ms"]) == (70, 2.5)
    assert (first["otherwise"], first["otherwise_points"]) == ("mobilenet_v2@0.25", 10)
    assert np.isnan(second["trained_accuracy_percent"])
    assert (second["otherwise"], second["otherwise_latency_ms"]) == ("mobilenet_v2@0.5", 3)
    (said,) = pick_in_words(second)
    assert "`mobilenet_v2@0.5` (80.00 %, 3 ms)" in said
    assert "**not known**" in said
    (said,) = pick_in_words(first)
    assert "10.00 ± " in said
    assert "better and 1.5 ms slower" in said


def test_other_tasks_and_studies_without_comparisons_stay_as_they_are():
    plain = front(["a"], [2.0])
    assert beside_front(plain, []) is plain
    assert not list(pick_in_words(plain.iloc[0].to_dict()))
    others = shelf([60.0], [1.0])
    table = beside_front(plain, [Trained("another", models([70.0], [2.0]), others)])
    assert table["otherwise"].isna().all()


@pytest.mark.parametrize(
    ("accuracies", "head"),
    [
        ([90, 91], "hanas wins here. Of 2 trained picks"),
        ([10, 11], "**hanas loses here.** Of 2 trained picks"),
        ([90, 11], "**hanas loses in part.** Of 2 trained picks"),
        ([60, 60], "**No gain in accuracy is shown here.** Of 2 trained picks"),
        ([90, 60], "hanas wins in part. Of 2 trained picks"),
    ],
)
def test_a_page_says_first_who_won(accuracies, head):
    others = shelf([60.0], [2.0])
    mine = models_compared(models(accuracies, [2.0, 2.0]), others)
    lines = section(mine, others, device="board")
    assert lines[0].startswith(head)
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 2 + 3  # head and rule, two picks, one published network
    assert all(line.count("|") == 8 for line in rows)


def test_words_say_seeds_spread_and_sources():
    others = shelf([60.0], [2.0])
    mine = pd.concat(
        [models([70.0], [2.0]), models([65.0], [3.0], role="random", archs="r")],
        ignore_index=True,
    )
    told = comparison(models_compared(mine, others), others, device="board")
    assert len(told.headlines) == 2
    assert "1 random: 65.00 % at 3 ms" in told.headlines[1]
    notes = " ".join(told.notes)
    for words in ("100 test images", "less what the exported network loses in INT8", "1.00 points"):
        assert words in notes
    assert "3 degrees of freedom" in notes
    assert "measured: there" in notes
    assert [row[1] for row in told.rows] == ["pick", "published", "random"]
    assert "nan" not in str(told)


def test_order_between_seeds():
    table = models([50.0, 60.0, 70.0], [1, 2, 3])
    # The second training of each: 2 * mean - first.
    table["test_accuracy_percent_mean"] = [(50 + 40) / 2, (60 + 71) / 2, (70 + 70.5) / 2]
    # 40, 71, 70.5: of three pairs one is the other way round.
    assert otherwise.order_between_seeds(table) == pytest.approx(1 / 3)
    assert np.isnan(otherwise.order_between_seeds(table.assign(seeds=1)))
    assert np.isnan(otherwise.order_between_seeds(table[:1]))


POSITIVE = st.floats(0.1, 100)


@given(
    st.lists(st.tuples(st.floats(0, 100), POSITIVE), min_size=1, max_size=4),
    st.floats(0, 100),
    POSITIVE,
)
@settings(deadline=None, max_examples=40)
def test_nothing_as_fast_is_more_accurate_than_what_is_taken_otherwise(known, accuracy, latency):
    others = shelf(*zip(*known, strict=True))
    row = models_compared(models([accuracy], [latency]), others).iloc[0]
    fast = [a for a, ms in known if ms <= otherwise.AS_FAST * latency]
    assert row["otherwise_accuracy_percent"] == (
        max(fast) if fast else min(known, key=lambda one: one[1])[0]
    )
    if row["otherwise_verdict"] == otherwise.WORSE:
        assert fast
        assert max(fast) > accuracy


def test_tables_show_balanced_accuracies_and_batches_where_they_say_more():
    plain = {"float32_accuracy_percent": 70.0, "float32_balanced_percent": 70.0, "batch": 1}
    uneven = plain | {"float32_balanced_percent": 33.33, "batch": 4}
    others, picks = shelf([60.0], [1.0]), models([70.0], [2.0])
    told = comparison(
        models_compared(picks.assign(**plain), others), others.assign(**plain), device="board"
    )
    assert "balanced (%)" not in told.head
    assert "latency (ms)" in told.head
    picks = models_compared(picks.assign(**uneven), others)
    told = comparison(picks, others.assign(**plain), device="board")
    assert told.head[2:5] == ["accuracy (%)", "balanced (%)", "seeds"]
    assert "latency (ms an image, batch 4)" in told.head
    assert [row[3] for row in told.rows] == ["70.00", "33.33"]
    assert {len(row) for row in told.rows} == {len(told.head)}
    lines = section(picks, others.assign(**plain), device="board")
    assert "| :-- | :-- | --: | --: | --: | --: | :-- | :-- |" in lines


def test_nothing_wins_that_is_hardly_better_than_always_one_class():
    """Nine of ten pictures are of one class: 91 % beside 50 % is no success."""
    others = shelf([50.0], [2.0]).assign(largest_class_percent=90.0)
    mine = models([91.0, 95.0], [2.0, 2.0]).assign(largest_class_percent=90.0)
    compared = models_compared(mine, others)
    assert compared["otherwise_verdict"].tolist() == [otherwise.USELESS, otherwise.BETTER]
    lines = section(compared, others, device="board")
    assert lines[0].startswith("hanas wins in part. Of 2 trained picks")
    assert "1 more accurate, but hardly better than always answering one class" in lines[0]
    assert lines[2].startswith("**2 of the 3 models are hardly better than always answering one")
    alone = models_compared(mine[:1], others)
    lines = section(alone, others, device="board")
    assert lines[0].startswith("**No gain in accuracy is shown here.** Of 1 trained picks")
    assert lines[2].startswith("**All 2 models are hardly better than")


def test_where_classes_are_weighed_models_are_compared_by_balanced_accuracies():
    """Less accurate than always answering the largest of two classes, but right in both."""

    def balanced(table, percents):
        return table.assign(
            **{f"test_balanced_percent{end}": percents for end in ("", "_mean")},
            test_balanced_percent_std=1.0,
            float32_class_percent='{"good": 80.0, "bad": 75.0, "none of it": null}',
            float32_balanced_percent=percents,
            int8_balanced_percent=np.array(percents) - 2.0,
            float32_accuracy_percent=80.0,
            largest_class_percent=90.0,
        )

    others = models([90.0], [2.0], role="published", archs=["mobilenet_v2"])
    others = models_compared(balanced(others, [50.0]), None)
    mine = models_compared(balanced(models([80.0, 85.0], [2.0, 2.0]), [70.0, 53.9]), others)
    (first, second) = mine.to_dict("records")
    assert (first["otherwise_points"], first["otherwise_verdict"]) == (20, otherwise.BETTER)
    assert first["otherwise_accuracy_percent"] == 48  # less what INT8 loses
    assert second["otherwise_verdict"] == otherwise.USELESS  # 51.9 % of two classes
    told = comparison(mine, others, device="board")
    assert told.headlines[0].startswith("hanas wins in part")
    assert told.head[2:4] == ["balanced (%)", "accuracy (%)"]
    assert told.rows[0][2:4] == ["68.00 ± 1.00", "80.00"]
    assert any("compared by balanced accuracies" in note for note in told.notes)
