"""Write the JSON Schema of a study's settings, for editors and for people who look a key up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from pydantic.json_schema import CoreRef, GenerateJsonSchema, JsonSchemaValue

from hanas.study.settings import Study

_HEAD = """\
# Made by `hanas schema` from the models of the settings: edit those, not this file.
$schema: https://json-schema.org/draft/2020-12/schema
title: A hanas study
"""
#: Characters of a model that still stands on one line.
_SHORT = 900


class _ModelsOnce(GenerateJsonSchema):
    """The schema in which each model is defined once, without titles that repeat names.

    pydantic alone writes out a model whose validators are wrapped wherever it is a part.
    """

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """Return a reference to what is a model."""
        found = super().generate_inner(schema)
        while "cls" not in schema and "schema" in schema:
            schema = schema["schema"]
        if "properties" not in found or "cls" not in schema:
            return found
        model = schema["cls"]
        name, reference = self.get_cache_defs_ref_schema(
            CoreRef(f"{model.__module__}.{model.__qualname__}:{id(model)}")
        )
        self.definitions[name] = found
        return reference

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a model; of its docstring the first sentence."""
        found = super().model_schema(schema)
        del found["title"]
        first, _, _ = found.get("description", "").partition("\n\n")
        return {**found, "description": " ".join(first.split())}

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        """Return what may be null as one of two types."""
        inner = self.generate_inner(schema["schema"])
        if isinstance(inner.get("type"), str):
            return {**inner, "type": [inner["type"], "null"]}
        return super().nullable_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False: a title would be the name of the field."""
        return False


def text() -> str:
    """Return the schema of a study as YAML, a setting a line."""
    return _HEAD + "\n".join(_lines(Study.model_json_schema(schema_generator=_ModelsOnce))) + "\n"


def _lines(node: dict[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in node.items():
        dumped = yaml.dump(
            {key: value}, sort_keys=False, width=10**6, allow_unicode=True, default_flow_style=True
        )
        is_model = isinstance(value, dict) and "properties" in value
        if key in ("$defs", "properties") or (is_model and len(dumped) > _SHORT):
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        else:
            yield indent + dumped.strip()[1:-1]
