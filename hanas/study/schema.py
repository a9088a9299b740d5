"""Write the JSON Schema of a study's settings, for editors and for people who look a key up."""

from __future__ import annotations

from typing import Any

import yaml

from hanas.study.settings import Study

_HEAD = "# Made by `hanas schema` from the models of the settings: edit those, not this file.\n"


def text() -> str:
    """Return the schema of a study as YAML."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_plain(Study.model_json_schema()),
        "title": "A hanas study",
    }
    return _HEAD + yaml.dump(
        schema, sort_keys=False, width=150, allow_unicode=True, default_flow_style=None
    )


def _plain(node: Any, *, of_names: bool = False) -> Any:
    """Leave out the titles that pydantic makes of names."""
    if isinstance(node, dict):
        return {
            key: _plain(value, of_names=key in ("properties", "$defs") and not of_names)
            for key, value in node.items()
            if of_names or key != "title"
        }
    return [_plain(item) for item in node] if isinstance(node, list) else node
