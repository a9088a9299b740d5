import pandas as pd
import pytest

from hanas.core.errors import InputError
from hanas.deploy.model_cards import models_table
from hanas.fronts.otherwise import models_compared
from hanas.report.figures import measured


def exports(**columns) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number": [1, 2],
            "arch": ["a", "b"],
            "role": "pick",
            "test_accuracy_percent": [90.0, 80.0],
            "seeds": 1,
            "test_accuracy_percent_mean": [90.0, 80.0],
            "test_accuracy_percent_std": float("nan"),
            "int8_loss_percent": [1.0, 10.0],
            "float32_accuracy_percent": [90.0, 80.0],
            "int8_accuracy_percent": [89.0, 70.0],
            "test_images": [100, 100],
            "largest_class_percent": 10.0,
            "sources": "measured: here",
            **columns,
        }
    )


def latencies(**columns) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "arch": ["b", "a", "c"],
            "feasible": True,
            "latency_ms": [2.0, 1.0, 3.0],
            "latency_q25_ms": [1.9, 0.9, 2.9],
            "latency_q75_ms": [2.1, 1.1, 3.1],
            "precision": "int8",
            "source": "measured: there",
            **columns,
        }
    )


def compared(*tables, retraining: str) -> pd.DataFrame:
    return models_compared(models_table(*tables, retraining=retraining), None)


def test_a_row_for_each_model_and_device():
    slow = latencies(latency_ms=[20.0, 10.0, 30.0])
    table = models_table(exports(), [("fast", latencies()), ("slow", slow)], retraining="mine")
    assert table[["number", "device", "latency_ms"]].to_numpy().tolist() == [
        [1, "fast", 1.0],
        [1, "slow", 10.0],
        [2, "fast", 2.0],
        [2, "slow", 20.0],
    ]
    assert (table["retraining"] == "mine").all()
    assert (table["accuracy_source"] == "measured: here").all()
    assert (table["latency_source"] == "measured: there").all()


def test_models_without_a_device():
    table = models_table(exports(), [], retraining="mine")
    assert table["arch"].tolist() == ["a", "b"]
    assert "latency_ms" not in table


@pytest.mark.parametrize(
    ("precision", "errors"), [("int8", [0.11, 0.30]), ("float32", [0.10, 0.20])]
)
def test_figure_shows_the_error_in_the_precision_of_the_device(precision, errors):
    models = compared(exports(), [("npu", latencies(precision=precision))], retraining="mine")
    shown = measured.models_table([("mine", False, models)], device="npu")
    assert shown["true_error"].tolist() == pytest.approx(errors)
    assert shown["latency_ms"].tolist() == [1.0, 2.0]
    # The second is slower and no better.
    assert shown["on_front"].tolist() == [True, False]


def test_model_that_does_not_run_is_not_shown():
    refused = latencies(latency_ms=[2.0, float("nan"), 3.0])
    models = compared(exports(), [("npu", refused)], retraining="mine")
    assert measured.models_table([("mine", False, models)], device="npu")["arch"].tolist() == ["b"]


def test_device_without_a_latency_is_named():
    models = compared(exports(), [("npu", latencies())], retraining="mine")
    with pytest.raises(InputError, match="no model of mine has a latency on phone"):
        measured.models_table([("mine", False, models)], device="phone")


def test_every_group_and_published_network_is_in_the_legend():
    searched = compared(exports(), [("npu", latencies())], retraining="s")
    known = exports(arch=["mobilenet_v2", "shufflenet_v2"])
    of_known = latencies(arch=["mobilenet_v2", "shufflenet_v2", "c"])
    published = compared(known, [("npu", of_known)], retraining="p")
    shown = measured.models_table(
        [("shuffle", False, searched), ("published", True, published)], device="npu"
    )
    made = measured.draw_models(shown, device="npu")
    labels = [text.get_text() for text in made.legends[0].get_texts()]
    assert labels == ["shuffle", "MobileNetV2", "ShuffleNetV2"]


def test_several_seeds_are_shown_by_mean_and_deviation_with_how_far_their_order_is_settled():
    seeds = {
        "seeds": 2,
        "test_accuracy_percent_mean": [88.0, 82.0],
        "test_accuracy_percent_std": [2.83, 2.83],
    }
    models = compared(exports(**seeds), [("npu", latencies())], retraining="s")
    drawn = compared(
        exports(**seeds, role=["pick", "random"]), [("npu", latencies())], retraining="r"
    )
    shown = measured.models_table([("s", False, models), ("r", False, drawn)], device="npu")
    # In INT8 they lose 1 and 10 points.
    assert shown["true_error"].tolist()[:2] == pytest.approx([0.13, 0.28])
    assert shown["error_deviation"].tolist()[:2] == pytest.approx([0.0283, 0.0283])
    assert shown["on_front"].tolist() == [True, False, True, False]
    made = measured.draw_models(shown, device="npu")
    texts = " ".join(text.get_text() for text in made.texts)
    assert "means of 2 trainings" in texts.replace("\n", " ")
    assert "1.00" in texts  # first 90 > 80, second 86 > 84


def test_a_published_network_at_several_widths_has_one_mark():
    archs = ["mobilenet_v2@0.25", "mobilenet_v2@0.5"]
    of_known = latencies(arch=[*archs, "c"])
    published = compared(exports(arch=archs), [("npu", of_known)], retraining="p")
    shown = measured.models_table([("published", True, published)], device="npu")
    made = measured.draw_models(shown, device="npu")
    assert [text.get_text() for text in made.legends[0].get_texts()] == ["MobileNetV2"]
