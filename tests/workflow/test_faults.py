"""Whatever goes wrong in the middle, the same command ends with the bytes of an undisturbed run."""

import random

import faults
import pytest
from studies import differing, reproducible_bytes

pytestmark = pytest.mark.slow


def test_killed_at_random_moments(computed_study, fresh_study):
    chance = random.Random(os_seed())
    faults.kill_until_done(fresh_study, chance, kills=5, longest=15)
    fresh_study.run(*faults.TARGETS)
    assert_same(reproducible_bytes(fresh_study), computed_study)


def test_damaged_side_files_are_not_used(computed_study, fresh_study):
    assert faults.damage_side_files(fresh_study, random.Random(os_seed())) > 0
    fresh_study.run(*faults.TARGETS)
    assert not faults.side_files(fresh_study)
    assert_same(reproducible_bytes(fresh_study), computed_study)


def test_two_runs_in_one_folder_at_once(computed_study, fresh_study):
    ended = faults.run_twice_at_once(fresh_study, random.Random(os_seed()))
    assert sorted(ended) == [0, 1]  # where the machine is busy, the second may be the first to lock
    assert_same(reproducible_bytes(fresh_study), computed_study)


def test_a_clock_that_was_fast(computed_study, fresh_study):
    faults.turn_the_clock(fresh_study, random.Random(os_seed()))
    fresh_study.run(*faults.TARGETS)
    assert_same(reproducible_bytes(fresh_study), computed_study)


@pytest.mark.skipif(not faults.can_mount(), reason="this user may not mount file systems")
def test_a_disk_that_is_full(computed_study, tmp_path):
    said, _, found = faults.fill_the_disk(tmp_path / "disk", 2)
    assert "No space left on device" in said
    assert_same(found, computed_study)


@pytest.mark.skipif(not faults.can_mount(), reason="this user may not mount file systems")
def test_a_disk_that_becomes_read_only(computed_study, tmp_path):
    said, found = faults.make_read_only(tmp_path / "disk", random.Random(os_seed()))
    assert "Read-only file system" in said
    assert_same(found, computed_study)


def assert_same(found: dict[str, bytes], computed_study) -> None:
    """Compare with an undisturbed run, of what was computed here."""
    assert "tables/edgegpu.csv" in found
    assert differing(found, computed_study) == []


def os_seed() -> int:
    """Return another seed in every run, which the failing test's output shows."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    return seed
