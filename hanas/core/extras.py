"""Packages that only few studies need: extras of hanas, asked for where they are used."""

from __future__ import annotations

from importlib.util import find_spec

from hanas.core.errors import InputError


def require(module: str, extra: str) -> None:
    """Raise InputError, saying how to install it, if a module of an extra is not there."""
    if find_spec(module) is None:
        raise InputError(
            f"{module} is not installed, which only few studies need; install it with: "
            f"pip install 'hanas[{extra}]'"
        )
