"""Find the members of a seam (a folder of ``hanas``) by their file names.

A member is a module without a leading underscore; its file name is the name used in the
configuration. Adding one therefore touches one place, and tests parametrised over
:func:`names` pick it up.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from hanas.errors import InputError

SEAMS = (
    "datasets",
    "spaces",
    "trainers",
    "proxies",
    "devices",
    "benchmarks",
    "searchers",
    "meters",
)


def names(seam: str) -> tuple[str, ...]:
    """Return the sorted names of the members of ``seam``, without importing any of them.

    >>> names("spaces")
    ('nb201',)
    """
    folder = Path(__file__).parent / seam
    return tuple(sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_")))


def load(seam: str, name: str) -> ModuleType:
    """Import the member ``name`` of ``seam``.

    Raises
    ------
    InputError
        If the seam has no such member; the message lists those it has.
    """
    if name not in names(seam):
        raise InputError(f"{seam}: no {name!r}; expected one of: {', '.join(names(seam))}")
    return import_module(f"hanas.{seam}.{name}")
