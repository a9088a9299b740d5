"""How far to trust the fronts of searches: their devices, accuracies and images."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from hanas.core.files import read_json
from hanas.fronts.rows import Row
from hanas.fronts.trust import Trust, all_of
from hanas.fronts.trust_of_accuracy import of_accuracy, rank_correlation
from hanas.fronts.trust_of_devices import of_device


def of_rows(rows: Iterable[Row]) -> dict[tuple[str, str, str, str], Trust]:
    """Return how far the front of each search is to be trusted, from the files of its row.

    By device, task, proxy and search.
    """
    ranks = cache(rank_correlation)  # of many searches the same
    return {
        (row.device, row.task, row.proxy, row.search): all_of(
            [of_device(row), of_accuracy(row, ranks), of_images(row)]
        )
        for row in rows
    }


def of_images(row: Row) -> Trust:
    """Return what has to be known of the images that accuracies are of, and what is wrong there."""
    if row.images is None:
        return Trust()
    facts = read_json(row.images)
    test = facts["images_of_classes"]["test"]
    largest = max(test, key=lambda name: test[name])
    percent = 100 * test[largest] / sum(test.values())
    known = [
        f"the test images of {row.dataset} are {sum(test.values())} of {len(test)} classes; always "
        f"answering {largest!r}, the largest, would be right on {percent:.2f} % of them"
    ]
    if facts.get("value_range"):
        low, high = facts["value_range"]
        known.append(
            f"pictures of {row.dataset} of more than 8 bits a channel were scaled by one range: "
            f"{low:g} became black and {high:g} white"
        )
    return Trust(tuple(known)) + of_warnings(facts.get("warnings", ()), row.dataset)


def of_warnings(warnings: Iterable[str], dataset: str) -> Trust:
    """Return what is wrong with the images of a data set."""
    return Trust((), tuple(f"images of {dataset}: {said}" for said in warnings))
