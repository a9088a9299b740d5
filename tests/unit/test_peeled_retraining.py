import numpy as np
import pandas as pd
import pytest
from nb201_space import nb201
from test_retraining import SETTINGS

from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.fronts.peeling import retrain_layers
from hanas.fronts.settings import Peeling
from hanas.training.retraining import retrain
from hanas.training.settings import FromScratch

#: Two predicted layers: the first three, then the last two. The second and the fourth learn little.
CELLS = (
    [3, 3, 3, 3, 3, 3],
    [0, 0, 0, 4, 0, 0],
    [1, 0, 2, 1, 3, 1],
    [0, 0, 0, 1, 0, 0],
    [3] * 5 + [1],
)
ARCHS = [nb201.to_text(genes) for genes in CELLS]
LATENCY_MS = [5.0, 1.0, 3.0, 4.0, 5.5]
PROXY = [0.1, 0.9, 0.5, 0.6, 0.2]
#: The fastest, but no path leads from its input to its output.
DEAD = nb201.to_text([0] * 6)


def _history():
    evaluated = {
        **{"arch": [*ARCHS, DEAD], "error": [*PROXY, 0.3], "latency_ms": [*LATENCY_MS, 0.5]},
        **{"seed": 0, "evaluation": range(6), "generation": 0, "feasible": True, "score": np.nan},
    }
    return pd.DataFrame(evaluated)


FROM_SCRATCH = FromScratch.read({**SETTINGS, "images": "train"})


def _trained(coloured, folder, *, floor=0.0, log=print, **peeling):
    return retrain_layers(
        _history(),
        FROM_SCRATCH,
        coloured,
        peeling=Peeling(**peeling),
        accuracy_floor_percent=floor,
        checkpoints=folder / "checkpoints",
        log=log,
    )


def test_layers_are_trained_and_the_front_of_all_is_kept(coloured, tmp_path):
    metrics, history, weights = _trained(coloured, tmp_path, epsilon=1e-9)
    assert metrics["arch"].tolist() == [ARCHS[n] for n in (0, 1, 2, 3, 4)]
    assert metrics["layer"].tolist() == [1, 1, 1, 2, 2]
    assert metrics["validation_images"].tolist() == [10] * 5
    assert len(history) == 5 * SETTINGS["training"]["epochs"]
    true = np.column_stack([-metrics["validation_accuracy_percent"], LATENCY_MS])
    np.testing.assert_array_equal(metrics["on_trained_front"], non_dominated(true, copies=False))
    assert set(weights) == set(metrics["arch"][metrics["on_trained_front"]])
    # Each is trained as if it were the only one.
    alone, _, _ = retrain(ARCHS[4:], FROM_SCRATCH, coloured, checkpoints=tmp_path / "alone")
    assert metrics["test_accuracy_percent"].iloc[4] == alone["test_accuracy_percent"].iloc[0]


def test_training_stops_when_a_layer_brings_nothing(coloured, tmp_path):
    metrics, *_ = _trained(coloured, tmp_path, limit=3)
    assert metrics["arch"].tolist() == ARCHS[:3]


def test_a_killed_run_goes_on_from_its_side_files(coloured, tmp_path):
    whole, _, _ = _trained(coloured, tmp_path / "whole")
    retrain(ARCHS[:2], FROM_SCRATCH, coloured, checkpoints=tmp_path / "part" / "checkpoints")
    lines: list[str] = []
    again, _, _ = _trained(coloured, tmp_path / "part", log=lines.append)
    assert sum("going on from" in line for line in lines) == 2
    pd.testing.assert_frame_equal(whole, again)


def test_validation_images_must_be_left(coloured, tmp_path):
    both = FROM_SCRATCH.model_copy(update={"images": "train_and_validation"})
    with pytest.raises(InputError, match="validation images must be left"):
        retrain_layers(
            _history(),
            both,
            coloured,
            peeling=Peeling(),
            accuracy_floor_percent=0,
            checkpoints=tmp_path,
        )


def test_a_floor_that_nothing_reaches(coloured, tmp_path):
    with pytest.raises(InputError, match=r"none of 5 trained architectures reaches .* 100.5 %"):
        _trained(coloured, tmp_path, floor=100.5, epsilon=1e-9)


def test_another_floor_goes_on_with_what_is_trained(coloured, tmp_path):
    with pytest.raises(InputError, match="which keeps what is trained"):
        _trained(coloured, tmp_path, floor=100.5, epsilon=1e-9)
    lines: list[str] = []
    _trained(coloured, tmp_path, floor=10.0, log=lines.append, epsilon=1e-9)
    assert sum("going on from" in line for line in lines) == 5
