"""Scores of found fronts with their error: which networks of a front a proxy cannot tell apart.

Scores that are means over images are computed again, on images that the search did not see; a
learned model of accuracy says itself what it does not know, of two networks together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hanas.fronts.picks import found_front

if TYPE_CHECKING:
    from hanas.proxies._proxy import OnDemandScorer
    from hanas.proxies.supernet import Rescoring
    from hanas.spaces._space import Space

#: Networks closer than so many standard errors of their paired difference are ties.
TIE_STANDARD_ERRORS = 1.0
TABLE = ("arch", "value", "standard_error", "objective", "images", "seen_images")
DIFFERENCES = ("arch", "other", "difference", "standard_error")


def rescore(
    histories: Mapping[str, pd.DataFrame], space: Space, rescoring: Rescoring
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score the fronts that seed 0 of each search found again, image by image.

    Returns a row for each architecture, :data:`TABLE`: the mean over ``images``, of which the
    search saw ``seen_images``, and its standard error; and a row for each pair,
    :data:`DIFFERENCES`: the value of ``arch`` less that of ``other`` and its paired standard error.
    """
    archs = _archs_of(histories, space)
    if not archs:
        return _nothing()
    losses = rescoring.losses(_genes(space, archs))
    table = pd.DataFrame({"arch": archs, "value": losses.mean(axis=1)})
    table["standard_error"] = standard_error(losses)
    table["objective"], table["images"] = rescoring.objective, rescoring.images
    table["seen_images"] = rescoring.seen
    rows = []
    for row, arch in enumerate(archs[:-1]):
        pairs = losses[row] - losses[row + 1 :]  # (others, images)
        of = {"other": archs[row + 1 :], "difference": pairs.mean(axis=1)}
        rows.append(pd.DataFrame({"arch": arch, **of, "standard_error": standard_error(pairs)}))
    pairs_table = pd.concat(rows) if rows else pd.DataFrame(columns=[*DIFFERENCES])
    return table, pairs_table.reset_index(drop=True)


def believe(
    histories: Mapping[str, pd.DataFrame], space: Space, learned: OnDemandScorer
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of :func:`rescore` of what a learned model expects, with what it lacks.

    The standard errors are what the model does not know; there are 0 ``images``.
    """
    archs = _archs_of(histories, space)
    if not archs:
        return _nothing()
    values, covariance = learned.believed(_genes(space, archs))
    variances = np.diag(covariance)
    table = pd.DataFrame({"arch": archs, "value": values, "standard_error": np.sqrt(variances)})
    table["objective"], table["images"], table["seen_images"] = "error", 0, 0
    one, other = np.triu_indices(len(archs), 1)
    of_pairs = variances[one] + variances[other] - 2 * covariance[one, other]
    names, error = np.array(archs), np.sqrt(np.maximum(of_pairs, 0))
    pairs = (names[one], names[other], values[one] - values[other], error)
    return table, pd.DataFrame(dict(zip(DIFFERENCES, pairs, strict=True)))


def _archs_of(histories: Mapping[str, pd.DataFrame], space: Space) -> list[str]:
    fronts = [found_front(history, space)["arch"] for history in histories.values()]
    return list(dict.fromkeys(arch for front in fronts for arch in front))


def _genes(space: Space, archs: list[str]) -> np.ndarray:
    return np.array([space.from_text(arch) for arch in archs])


def _nothing() -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.DataFrame(columns=[*TABLE]), pd.DataFrame(columns=[*DIFFERENCES])


def standard_error(values: np.ndarray) -> np.ndarray:
    """Return the standard errors, (N,), of means over images, (N, images); NaN of one image.

    >>> standard_error(np.array([[0.0, 0.0, 1.0, 1.0]])).round(6)
    array([0.288675])
    """
    count = values.shape[1]
    if count < 2:
        return np.full(len(values), np.nan)
    return values.std(axis=1, ddof=1) / np.sqrt(count)


def with_errors(
    front: pd.DataFrame, table: pd.DataFrame, differences: pd.DataFrame
) -> pd.DataFrame:
    """Return a front, in order of preference and with ``arch``, with its re-scored values.

    Added columns: ``rescored_value``, ``rescored_standard_error``, ``rescored_images``,
    ``rescored_seen_images``; ``rescored_difference`` from the first of the front, and its paired
    ``rescored_difference_standard_error``; and ``ties``, the others of the front that are closer
    than :data:`TIE_STANDARD_ERRORS` of their difference, joined by ``; ``.
    """
    archs, known = front["arch"].tolist(), table.set_index("arch")
    shown = known.loc[archs, ["value", "standard_error", "images", "seen_images"]]
    front = front.assign(**{f"rescored_{name}": shown[name].to_numpy() for name in shown})
    difference = np.zeros((len(archs), len(archs)))
    error = np.zeros((len(archs), len(archs)))
    place = {arch: number for number, arch in enumerate(archs)}
    for one, other, value, deviation in differences[[*DIFFERENCES]].itertuples(index=False):
        if one in place and other in place:
            first, second = place[one], place[other]
            difference[first, second], difference[second, first] = value, -value
            error[first, second] = error[second, first] = deviation
    front["rescored_difference"] = difference[:, 0]
    front["rescored_difference_standard_error"] = error[:, 0]
    # Unknown errors, of one image, tell nothing apart.
    tied = ~(np.abs(difference) > TIE_STANDARD_ERRORS * error) & ~np.eye(len(archs), dtype=bool)
    front["ties"] = ["; ".join(archs[other] for other in np.flatnonzero(row)) for row in tied]
    return front
