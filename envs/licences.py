"""List the licences of everything that the lock file installs, as docs/licences.md.

``make licences``. A licence is what a package's metadata says, else what
its licence file begins with.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[1]
#: Licences whose packages an MIT project may depend on: nothing is copied from them. LGPL and MPL
#: bind changes to those packages themselves; of several licences, one that is here is enough.
COMPATIBLE = {
    *("0BSD", "Apache", "BSD", "BSL", "CC0", "HPND", "LGPL", "MIT", "MPL", "PSF", "Zlib"),
    *("Mozilla", "Python Software Foundation", "Public Domain", "LLVM-exception", "ISC"),
}


def locked() -> dict[str, str]:
    """Return name -> version of every line of the lock file that concerns this machine."""
    found = {}
    for line in (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pinned = Requirement(line)
            if pinned.marker is None or pinned.marker.evaluate():
                found[normal(pinned.name)] = str(pinned.specifier).removeprefix("==")
    return found


def normal(name: str) -> str:
    """Return a package's name as the index spells it.

    >>> normal("Snakemake_Interface.Common")
    'snakemake-interface-common'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(package: Distribution) -> str:
    """Return a package's licence in one line; empty where it names none."""
    said = package.metadata.get("License-Expression")
    if said:
        return said
    classifiers = package.metadata.get_all("Classifier") or []
    names = [c.split("::")[-1].strip() for c in classifiers if c.startswith("License ::")]
    if names:
        return "; ".join(names)
    stated = package.metadata.get("License") or ""
    if 0 < len(stated) < 40:
        return stated
    for file in package.files or []:
        if re.match(r"(licen[cs]e|copying)", file.name, re.IGNORECASE):
            text = " ".join(file.read_text(encoding="utf-8").split())
            if "Permission is hereby granted, free of charge" in text:
                return "MIT (its licence file)"
    return ""


def compatible(said: str) -> bool:
    """Say whether one of the licences that are named is compatible.

    >>> compatible("BSD License; GNU General Public License (GPL)"), compatible("AGPL-3.0")
    (True, False)
    """
    return any(re.search(rf"(?<![A-Za-z]){re.escape(name)}", said) for name in COMPATIBLE)


def table() -> str:
    """Return the Markdown table, and raise ValueError for a licence that is not compatible."""
    lines = []
    for name, version in locked().items():
        said = licence(distribution(name))
        if not compatible(said):
            raise ValueError(f"{name} {version}: licence {said!r} is not known to be compatible")
        lines.append(f"| {name} | {version} | {said} |")
    return "\n".join(
        [
            "# Licences of the dependencies",
            "",
            "hanas is under the MIT licence. This is what `requirements.lock` installs; `make "
            "licences` writes this page and refuses a licence that it does not know to be "
            "compatible.",
            "",
            "| package | version | licence |",
            "|---|---|---|",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    try:
        (REPOSITORY / "docs" / "licences.md").write_text(table(), encoding="utf-8")
    except ValueError as error:
        sys.exit(str(error))
