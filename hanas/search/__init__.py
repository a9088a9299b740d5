"""Searchers, and running them with all seeds. ``hanas.search(...)`` is that for notebooks."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *given: Any, **named: Any) -> Any:
        """Call :func:`hanas.study.notebooks.search`, whose name this package has."""
        return import_module("hanas.study.notebooks").search(*given, **named)


sys.modules[__name__].__class__ = _Callable
