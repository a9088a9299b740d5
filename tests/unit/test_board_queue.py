"""Boards and models that fail by a throw of the dice, without commands."""

import contextlib
import itertools
import random
import time

import pytest

from hanas.core.errors import InputError
from hanas.devices._device import BoardLost, Measuring
from hanas.devices.measuring.board_queue import BoardQueue

MODELS = [f"m{number}" for number in range(20)]


def run(boards, fails, *, proven=None, models=MODELS, **patience):
    """Share models; ``fails(model, board)`` says whether a measurement fails.

    Returns the models that were given up, those that were measured, and what was asked for.
    """
    given_up: dict[str, str] = {}
    measured: list[str] = []
    asked: list[tuple[str, str]] = []

    def measure(model: str, board: str) -> bool:
        asked.append((model, board))
        if fails(model, board):
            raise BoardLost("no answer")
        measured.append(model)
        return True

    queue = BoardQueue(
        models,
        boards,
        measure,
        proven=proven or {},
        settings=Measuring(**{"pause_seconds": 0.0, **patience}),
        give_up=given_up.__setitem__,
        log=lambda line: None,
    )
    if failed := queue.run(contextlib.nullcontext):
        raise InputError(failed)
    return given_up, measured, asked


@pytest.mark.parametrize("boards", [["x"], ["x", "y"], ["x", "y", "z"]])
@pytest.mark.parametrize("bad", [0, 1, 6, 19])
def test_what_boards_cannot_run_is_found_and_nothing_else(boards, bad):
    chosen = set(random.Random(bad).sample(MODELS[1:], bad))
    given_up, measured, _ = run(
        boards, lambda model, board: model in chosen, proven=dict.fromkeys(boards, MODELS[0])
    )
    assert set(given_up) == chosen
    assert set(measured) == set(MODELS) - chosen


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.35])
@pytest.mark.parametrize("bad", [0, 2])
def test_failures_by_chance_make_hardly_any_model_infeasible(rate, bad):
    wrong = 0
    for seed in range(100):
        dice = random.Random(seed)
        chosen = set(dice.sample(MODELS, bad))
        with contextlib.suppress(InputError):  # boards as bad as these may be given up
            given_up, measured, _ = run(
                ["x", "y"],
                lambda model, board, dice=dice, bad=chosen: model in bad or dice.random() < rate,
            )
            assert chosen <= set(given_up)
            assert set(measured) | set(given_up) == set(MODELS)
            wrong += len(set(given_up) - chosen)
    assert wrong <= 8  # of 2,000 models


def test_boards_that_never_answer_are_given_up_and_named():
    with pytest.raises(InputError) as error:
        run(["x", "y"], lambda model, board: True)
    assert str(error.value) == (
        "x failed 5 times in a row, at last: no answer; y failed 5 times in a row, at last: "
        "no answer"
    )


def test_an_unplugged_board_is_asked_again_and_again_with_longer_pauses():
    times: list[float] = []

    def fails(model: str, board: str) -> bool:
        times.append(time.monotonic())
        return len(times) > 1

    with pytest.raises(InputError, match="x failed 5 times"):
        run(["x"], fails, pause_seconds=0.05)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times[1:])]
    assert len(gaps) == 4
    assert gaps[0] < 0.05 <= gaps[1] < 0.15 <= gaps[2] < 0.45 <= gaps[3]


def test_a_model_goes_to_a_board_that_has_not_tried_it():
    given_up, measured, asked = run(["x", "y"], lambda model, board: (model, board) == ("m0", "x"))
    assert not given_up
    assert set(measured) == set(MODELS)
    assert asked.count(("m0", "x")) <= 1


def test_a_model_whose_failures_stay_unclear_ends_the_job():
    # The board fails with m1 always, and with what it has measured whenever m1 failed before.
    last = [""]

    def fails(model: str, board: str) -> bool:
        failed = model == "m1" or last[0] == "m1"
        last[0] = model
        return failed

    with pytest.raises(InputError, match=r"m1 has failed 30 times, .* not clear who is at fault"):
        run(["x"], fails, models=["m0", "m1"], board_tries=1000)


def test_a_fault_of_the_program_ends_the_job():
    def fails(model: str, board: str) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(["x", "y"], fails)
