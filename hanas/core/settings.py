"""Turn a mapping of settings into a frozen dataclass that checks itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from hanas.core.errors import InputError

Settings = TypeVar("Settings")


def from_mapping(cls: type[Settings], settings: Mapping[str, Any], place: str) -> Settings:
    """Return the dataclass ``cls`` with the given fields; the others keep their defaults.

    Parameters
    ----------
    cls
        A dataclass whose ``__post_init__`` raises InputError naming a wrong field first.
    settings
        Values by field name. Lists become tuples.
    place
        Where the settings come from, such as ``training``, for messages.

    Raises
    ------
    InputError
        For an unknown name, or a value that the dataclass refuses.
    """
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    for name in settings:
        if name not in known:
            raise InputError(
                f"{place}.{name}: no such setting; expected one of: {', '.join(known)}"
            )
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in settings.items()}
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(f"{place}.{error}") from error


def selected(cls: type[Settings], settings: Mapping[str, Any], place: str) -> Settings:
    """Return the dataclass ``cls`` with those of the settings that it knows.

    For settings that several parts of the program share, each of which takes its own; that every
    name belongs to one of them is checked where the configuration is read.
    """
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    own = {name: value for name, value in settings.items() if name in known}
    return from_mapping(cls, own, place)


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise InputError unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise InputError(f"{name} is {value!r}; expected one of: {', '.join(map(str, choices))}")


def check_number(
    name: str,
    value: Any,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    whole: bool = False,
) -> None:
    """Raise InputError unless ``value`` is a finite number within the limits.

    >>> check_number("epochs", 0, at_least=1, whole=True)
    Traceback (most recent call last):
    hanas.core.errors.InputError: epochs is 0; expected a whole number of at least 1
    """
    limits = [
        f"{words} {limit:g}"
        for words, limit in (("of at least", at_least), ("above", above), ("of at most", at_most))
        if limit is not None
    ]
    right_type = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if (
        not right_type
        or not abs(value) < float("inf")
        or (at_least is not None and value < at_least)
        or (above is not None and value <= above)
        or (at_most is not None and value > at_most)
    ):
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{name} is {value!r}; expected {' '.join([kind, ' and '.join(limits)])}")
