"""Write the JSON Schema of a study's settings, for editors and for people who look a key up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from hanas.study.settings import Study

_HEAD = "# Made by `hanas schema` from the models of the settings: edit those, not this file.\n"


def text() -> str:
    """Return the schema of a study as YAML, a setting a line."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_plain(Study.model_json_schema()),
        "title": "A hanas study",
    }
    return _HEAD + "\n".join(_lines(schema)) + "\n"


def _plain(node: Any, *, names: bool = False) -> Any:
    """Leave out the titles that pydantic makes of names, and write what may be null as a type."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, str):
        return " ".join(node.partition("\n\n")[0].split())  # of a docstring its first sentence
    if not isinstance(node, dict):
        return node
    made = {
        key: _plain(value, names=key in ("properties", "$defs") and not names)
        for key, value in node.items()
        if names or key != "title"
    }
    either = made.get("anyOf", [])
    if (
        len(either) == 2
        and either[1] == {"type": "null"}
        and isinstance(either[0].get("type"), str)
    ):
        del made["anyOf"]
        made = {**either[0], "type": [either[0]["type"], "null"], **made}
    return made


def _lines(node: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Yield lines of YAML: of what has settings inside a block, of everything else one line."""
    for key, value in node.items():
        if isinstance(value, dict) and (key == "properties" or _has_settings(value)):
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        else:
            one = {key: value}
            yield (
                indent
                + yaml.dump(
                    one, sort_keys=False, width=10**6, allow_unicode=True, default_flow_style=True
                ).strip()[1:-1]
            )


def _has_settings(node: dict[str, Any]) -> bool:
    inner = [value for value in node.values() if isinstance(value, dict)]
    return "properties" in node or any(map(_has_settings, inner))
