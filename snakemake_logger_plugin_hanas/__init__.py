"""Say what is wrong with a --configfile that Snakemake cannot read.

Snakemake reads the files of ``--configfile`` before the Snakefile, and says the same two sentences
of all that it cannot parse. It imports every package with a name like this one when it starts,
which is the only place from where more can be said. What Snakemake can read stays as it is, also
for other workflows; studies are checked by the Snakefile.
"""

from pathlib import Path
from typing import Any

from snakemake.common import configfile
from snakemake.exceptions import WorkflowError
from snakemake_interface_logger_plugins.base import LogHandlerBase

from hanas.core import yaml_files
from hanas.core.errors import InputError

_load = configfile._load_configfile


class LogHandler(LogHandlerBase):
    """What a package of this name must hold for Snakemake to accept it; it is never made."""


def _load_or_explain(path: Any, *arguments: Any, **named: Any) -> Any:
    """Load a file as Snakemake does; where it cannot, name line and reason."""
    try:
        found = _load(path, *arguments, **named)
        if isinstance(found, dict) or not isinstance(path, str | Path):
            return found
    except Exception:
        if not isinstance(path, str | Path):
            raise
    try:
        yaml_files.check(path)
    except InputError as error:
        swallowed = Path(path).suffix not in (".yaml", ".yml", ".json")
        hint = "; --configfile takes all that follows it: write targets before it"
        raise WorkflowError(f"{error}{hint * swallowed}") from None
    return _load(path, *arguments, **named)


configfile._load_configfile = _load_or_explain
