"""A second stage: a space made smaller by what the lens on it, in the same study, leaves out.

Which choices stay is only known once the first stage was searched. A study is planned on all
choices of the first space; jobs read the declaration that was made of them
(``results/spaces/{name}.yaml``, :func:`resolved`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import override

from hanas.core import plugins, yaml_files
from hanas.core.errors import InputError
from hanas.core.settings import Entry, Member, NoRerun
from hanas.spaces._space import Space
from hanas.spaces.kinds._declaration import Declaration

#: The key under which a declaration holds what was made of it.
MADE = "made"


class Lens(Declaration):
    """What the lens on another space of this study leaves of it."""

    kind: Literal["lens"] = Field(description="A space that the lens on another one makes smaller.")
    space_before: str = Field(
        alias="from", description="The space that is made smaller; a declared or a shipped one."
    )
    task: Annotated[str, Entry("tasks")] = Field(
        description="An entry of tasks: whose searches of that space decide."
    )
    device: Annotated[str, Entry("devices")] = Field(
        description="An entry of devices: where it was searched."
    )
    keep: Annotated[float, Field(gt=0, le=1)] = Field(
        0.95,
        description="Share of the front's hypervolume that has to stay; choices are left out as "
        "long as it does.",
    )
    made: Annotated[dict[str, Any] | None, NoRerun()] = Field(
        None, description="Filled in by the workflow: the declaration that the lens led to."
    )

    @override
    def space(self, name: str) -> Space:
        whole = _space_of(first_stage(self.space_before), name)
        if self.made is None:
            return whole
        found = _space_of(self.made, name)
        # A study is planned before it is known how few architectures are left.
        found.enumerable = whole.enumerable
        return found


def first_stage(name: str) -> Mapping[str, Any]:
    """Return the declaration that the stages before a space began with."""
    seen: list[str] = []
    while True:
        if name in seen:
            raise InputError(f"from: {' <- '.join([*seen, name])} has no beginning")
        seen.append(name)
        if name not in plugins.names("spaces"):
            known = ", ".join(plugins.names("spaces"))
            raise InputError(f"from: no space {name!r}; expected one of: {known}")
        declared = plugins.declaration(name)
        if declared is None:
            raise InputError(
                f"from: space {name!r} is a module and no declaration, so that none can be made "
                "of what its lens leaves; declare it under spaces"
            )
        if declared.get("kind") != "lens":
            return declared
        name = str(declared.get("from"))


def stages(names: Sequence[str]) -> list[str]:
    """Return which of the spaces are later stages, whose declaration is a result."""
    declared = {name: plugins.declaration(name) or {} for name in names}
    return [name for name in names if declared[name].get("kind") == "lens"]


def resolved(files: Sequence[str | Path]) -> dict[str, Any]:
    """Return the declarations of the study, with what was made of later stages in these files.

    They are named as their spaces. InputError if one is no such file.
    """
    import yaml

    spaces = plugins.of_study()
    for file in map(Path, files):
        yaml_files.check(file)
        read = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        made = (read or {}).get("spaces", {}).get(file.stem)
        if file.stem not in spaces or made is None:
            raise InputError(f"{file}: no declaration of space {file.stem!r}; make it again")
        spaces[file.stem] = {**spaces[file.stem], MADE: made}
    return spaces


def _space_of(declared: Mapping[str, Any], name: str) -> Space:
    kind: Any = Member("space_kinds").read(
        {key: declared[key] for key in declared if key != "text"}
    )
    return kind.space(name)
