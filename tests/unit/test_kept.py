import json
import multiprocessing
import os
import time

import numpy as np
import pytest

from hanas.core import kept
from hanas.core.kept import KeptScores

COLUMNS = ("error", "cross_entropy")


def opened(folder, key="key", columns=COLUMNS):
    lines: list[str] = []
    return KeptScores(folder, key, columns, lines.append), lines


def some(first: int, count: int):
    """Genes that are different for different numbers, and scores of which one is not finite."""
    numbers = np.arange(first, first + count)
    genes = np.stack([numbers // 7**layer % 7 for layer in range(4)], axis=1)
    scores = {"error": numbers / 3, "cross_entropy": 1 / (numbers + 0.1)}
    return genes, scores


def files(folder):
    return sorted((folder / "key").glob("*"))


def test_scores_come_back_to_the_bit(tmp_path):
    genes, scores = some(0, 30)
    opened(tmp_path)[0].add(genes, scores)
    store, lines = opened(tmp_path)
    assert len(store) == 30
    back = store.scores(genes[::-1])
    for column, values in scores.items():
        assert back[column].tolist() == values[::-1].tolist()
    assert store.known(some(28, 4)[0]).tolist() == [True, True, False, False]
    assert lines == []


def test_what_is_not_finite_is_the_same_at_once_and_later(tmp_path):
    genes, scores = some(0, 3)
    scores = {"error": scores["error"], "cross_entropy": np.array([np.inf, -np.inf, np.nan])}
    store, _ = opened(tmp_path)
    store.add(genes, scores)
    for again in (store, opened(tmp_path)[0]):
        assert np.isnan(again.scores(genes)["cross_entropy"]).all()
        assert np.isfinite(again.scores(genes)["error"]).all()


def test_keys_do_not_see_each_other(tmp_path):
    genes, scores = some(0, 3)
    opened(tmp_path, "one")[0].add(genes, scores)
    assert len(opened(tmp_path, "other")[0]) == 0
    assert len(opened(tmp_path, "one")[0]) == 3


def test_one_sees_what_another_has_kept_meanwhile(tmp_path):
    first, second = opened(tmp_path)[0], opened(tmp_path)[0]
    second.add(*some(0, 5))
    assert len(first) == 0
    first.refresh()
    assert len(first) == 5


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "other", "list", "columns"])
def test_what_cannot_be_used_is_ignored_and_told(tmp_path, damage):
    opened(tmp_path)[0].add(*some(0, 5))
    (path,) = files(tmp_path)
    text = path.read_text(encoding="utf-8")
    if damage == "columns":
        other = opened(tmp_path, columns=("error",))[0]
        other.add(some(0, 5)[0], some(0, 5)[1])
    else:
        changed = {
            "cut": text[:-20],
            "changed": text.replace("0.6666666666666666", "0.5666666666666666"),
            "empty": "",
            "other": json.dumps({"made": "by another program"}),
            "list": "[1, 2]",
        }[damage]
        assert changed != text
        path.write_text(changed, encoding="utf-8")
    store, lines = opened(tmp_path)
    assert len(store) == (5 if damage == "columns" else 0)
    (line,) = lines
    assert str(tmp_path) in line
    assert ("of something else" if damage == "columns" else "damaged") in line
    store.add(*some(0, 5))
    store.refresh()
    assert len(lines) == 1  # once
    assert opened(tmp_path)[0].known(some(0, 5)[0]).all()


def test_a_long_search_leaves_few_files(tmp_path):
    store, _ = opened(tmp_path)
    for number in range(3 * kept.MANY_FILES):
        store.add(*some(2 * number, 2))
        store.tidy()
        assert len(files(tmp_path)) <= kept.MANY_FILES
    again, lines = opened(tmp_path)
    assert len(again) == 6 * kept.MANY_FILES
    assert lines == []
    genes, scores = some(0, 6 * kept.MANY_FILES)
    assert again.scores(genes)["error"].tolist() == scores["error"].tolist()


def test_only_old_leftovers_are_removed(tmp_path):
    store, _ = opened(tmp_path)
    store.add(*some(0, 1))
    old, new = tmp_path / "key" / ".a.json.1.tmp", tmp_path / "key" / ".b.json.1.tmp"
    for path in (old, new):
        path.write_text("half", encoding="utf-8")
    os.utime(old, (time.time() - 7200,) * 2)
    store.tidy()
    assert not old.exists()
    assert new.exists()


def _write_and_tidy(folder, first):
    store, lines = opened(folder)
    for number in range(40):
        store.add(*some(first + number, 1))
        store.tidy()
    assert len(store.scores(some(first, 40)[0])["error"]) == 40
    assert lines == []


def test_many_at_the_same_time_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "MANY_FILES", 5)  # all of them tidy up all the time
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_write_and_tidy, args=(tmp_path, 40 * number)) for number in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    store, lines = opened(tmp_path)
    assert len(store) == 160
    assert lines == []
    assert store.scores(some(0, 160)[0])["error"].tolist() == some(0, 160)[1]["error"].tolist()


def _record(damage: str, text: str) -> str:
    return {"score": text.replace("0.25", "0.75"), "cut": text[:-9], "list": "[1]"}.get(
        damage, text
    )


@pytest.mark.parametrize("damage", ["no", "key", "score", "cut", "list", "missing"])
def test_a_record_is_what_was_kept_or_nothing(tmp_path, damage):
    key, record = {"model": "m", "board": 1}, {"first": [0.5, 0.25], "refused": None}
    path = kept.file_of(tmp_path / "new", key)
    kept.write(path, {}, [])
    kept.write(path, key, record)
    text = path.read_text(encoding="utf-8")
    path.write_text(_record(damage, text), encoding="utf-8")
    if damage == "missing":
        path.unlink()
    found = kept.read(path, "other" if damage == "key" else key)
    assert found == (record if damage == "no" else None)
    assert kept.file_of(tmp_path, "other") != kept.file_of(tmp_path, key)
