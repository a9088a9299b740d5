"""Check the settings of a searcher and fill in its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hanas.core.errors import InputError


@dataclass(frozen=True)
class Setting:
    """The default of a setting and the range, ends included, that it must lie in.

    A setting whose default is an int takes whole numbers only.
    """

    default: int | float
    minimum: float
    maximum: float = float("inf")


#: What the evolutionary searchers share: thesis table 5-2.
EVOLUTION = {
    "generations": Setting(20, minimum=1),
    "population": Setting(50, minimum=2),
    "parents": Setting(10, minimum=2),
    "crossover": Setting(20, minimum=0),
    "mutation": Setting(25, minimum=0),
    "random": Setting(5, minimum=0),
    "mutation_probability": Setting(0.1, minimum=0, maximum=1),
}
#: Random architectures that a scalarising searcher draws first, to scale its objectives by.
SAMPLES = Setting(1000, minimum=2)


def checked(
    searcher: str, settings: Mapping[str, Any], known: Mapping[str, Setting]
) -> dict[str, Any]:
    """Return ``settings`` completed by the defaults of ``known``.

    Raises
    ------
    InputError
        If a key is unknown, a value is of the wrong type or out of range, or the numbers of
        children do not add up to the population.

    Examples
    --------
    >>> checked("random", {}, {"evaluations": Setting(1050, minimum=1)})
    {'evaluations': 1050}
    """
    for key in settings:
        if key not in known:
            raise InputError(f"{searcher}: no setting {key!r}; expected one of: {', '.join(known)}")
    result = {key: settings.get(key, setting.default) for key, setting in known.items()}
    for key, value in result.items():
        _check_value(f"{searcher}.{key}", value, known[key])
    if "population" in known:
        children = sum(result[key] for key in ("crossover", "mutation", "random"))
        if children != result["population"]:
            raise InputError(
                f"{searcher}: crossover + mutation + random make {children} children; "
                f"expected population, which is {result['population']}"
            )
        if result["parents"] > result["population"]:
            raise InputError(
                f"{searcher}.parents: {result['parents']}; expected at most population, which is "
                f"{result['population']}"
            )
        if result.get("quota_bins", 1) > result["parents"]:
            raise InputError(
                f"{searcher}.quota_bins: {result['quota_bins']}; expected at most parents, which "
                f"is {result['parents']}: each bin has one at least"
            )
    return result


def _check_value(name: str, value: Any, setting: Setting) -> None:
    whole = isinstance(setting.default, int)
    # bool is an int for Python, but `population: true` is a slip.
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise InputError(f"{name}: {value!r}; expected a {'whole ' if whole else ''}number")
    if not setting.minimum <= value <= setting.maximum:
        raise InputError(
            f"{name}: {value}; expected {setting.minimum:g} or more"
            + (f", at most {setting.maximum:g}" if setting.maximum < float("inf") else "")
        )
