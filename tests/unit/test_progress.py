"""What the log says of long loops, with a clock that is set by hand."""

import pytest

from hanas.core import progress
from hanas.core.progress import Pace


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    set_by_hand = Clock()
    monkeypatch.setattr(progress, "time", set_by_hand)
    return set_by_hand


def steps(pace, clock, count, seconds, images=64):
    """Make steps of so many seconds; return how many of them were waited for."""
    waited = []
    for _ in range(count):
        clock.now += seconds
        pace.advance(images, lambda: waited.append(clock.now))
    return len(waited)


def test_first_line_within_ten_seconds_then_a_line_a_minute(clock):
    lines = []
    pace = Pace(0, 900, lambda line: lines.append((clock.now - 1000, line)))
    assert steps(pace, clock, 66, seconds=1.0) == len(lines) == 2
    # Five of 900 seconds are over; 64 images a second.
    assert lines[0] == (5.0, "step 5 of 900; 64 images/s, 14 min 55 s left")
    assert lines[1] == (65.0, "step 65 of 900; 64 images/s, 13 min 55 s left")


def test_slow_steps_are_told_one_by_one_from_the_first(clock):
    lines = []
    steps(Pace(0, 3, lines.append), clock, 1, seconds=8.0)
    assert lines == ["step 1 of 3; 8 images/s, 16.0 s left"]


def test_continued_loop_counts_its_own_steps_for_the_speed(clock):
    lines = []
    steps(Pace(100, 200, lines.append), clock, 10, seconds=0.5)
    assert lines == ["step 110 of 200; 128 images/s, 45.0 s left"]


def test_no_line_soon_after_another_one(clock):
    lines = []
    pace = Pace(0, 900, lines.append)
    steps(pace, clock, 4, seconds=1.0)
    pace.said()  # a line of an epoch
    steps(pace, clock, 59, seconds=1.0)
    assert not lines
    steps(pace, clock, 1, seconds=1.0)
    assert len(lines) == 1
