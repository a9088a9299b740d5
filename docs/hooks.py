"""What the site has beside the pages of this folder: pages of the top level, and every setting.

Links between pages are those of the repository, which also work where the files are read as they
are; here the ones that lead out of this folder are bent to where the site has the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from mkdocs.structure.files import File, Files

_TOP = Path(__file__).parents[1]
#: Pages and files of the top level, by where the site has them.
_TAKEN = {
    "index.md": "README.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "module.md": "config/README.md",
    "config.schema.yaml": "config.schema.yaml",
    "config.yaml": "config.yaml",
    **{f"config/{file.name}": f"config/{file.name}" for file in (_TOP / "config").glob("*.yaml")},
}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are no files of this folder."""
    for place, source in _TAKEN.items():
        text = (_TOP / source).read_text(encoding="utf-8")
        files.append(File.generated(config, place, content=_bent(text, source)))
    schema = yaml.load((_TOP / "config.schema.yaml").read_bytes(), Loader=yaml.CSafeLoader)
    page = "\n".join(_reference(schema))
    files.append(File.generated(config, "settings_reference.md", content=page))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Bend the links of the pages of this folder."""
    return _bent(markdown, f"docs/{page.file.src_uri}")


def on_page_content(html: str, **_: Any) -> str:
    """Leave out the marks of roles, such as ``:func:``, which docstrings have before names."""
    return re.sub(r":(?:func|mod|class|meth|data|attr|exc):(?=<code>)", "", html).replace(
        "<code>~", "<code>"
    )


def _bent(text: str, source: str) -> str:
    """Return a page whose links lead to where the site has what they lead to in the repository."""
    places = {taken: place for place, taken in _TAKEN.items()}
    folder = (_TOP / source).parent

    def bend(found: re.Match[str]) -> str:
        path, anchor = found[1], found[2] or ""
        target = Path(folder, path).resolve()
        if not target.is_relative_to(_TOP) or not target.exists():
            return found[0]
        name = target.relative_to(_TOP).as_posix()
        return f"]({places.get(name, name.removeprefix('docs/'))}{anchor})"

    return re.sub(r"\]\(([^)\s:#]+)(#[^)\s]*)?\)", bend, text)


# ---- every setting ----------------------------------------------------------------------


def _reference(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a page with a table for each section and each kind of its entries."""
    models = schema["$defs"]
    yield "# Settings reference\n"
    yield "Made from the models that read a study, as [the schema](config.schema.yaml) is.\n"
    yield "## A study\n"
    yield from _table(schema)
    shown: set[str] = set()
    for section, setting in schema["properties"].items():
        names = [name for name in _models_in(setting) if name not in shown]
        if names:
            yield f"\n## {section}\n\n{setting.get('description', '')}"
        while names:
            name = names.pop(0)
            if name not in shown:
                shown.add(name)
                yield f"\n### {_called(name)} {{ #{name} }}\n"
                yield f"{models[name].get('description', '')}\n"
                yield from _table(models[name])
                names += _models_in(models[name]["properties"])


def _models_in(node: Any) -> list[str]:
    if isinstance(node, Mapping):
        own = [node["$ref"].rpartition("/")[2]] if isinstance(node.get("$ref"), str) else []
        return own + [name for value in node.values() for name in _models_in(value)]
    return [name for value in node for name in _models_in(value)] if isinstance(node, list) else []


def _table(model: Mapping[str, Any]) -> Iterator[str]:
    yield "| setting | type | default | meaning |\n|---|---|---|---|"
    required = model.get("required", ())
    for name, setting in model["properties"].items():
        default = "required" if name in required else _code(setting.get("default"))
        meaning = " ".join(str(setting.get("description", "")).split()).replace("|", "\\|")
        yield f"| `{name}` | {_type(setting)} | {default} | {meaning} |"


def _type(node: Mapping[str, Any]) -> str:
    """Return what a value can be, in words; models as links to their tables."""
    for key in ("oneOf", "anyOf", "allOf"):
        if key in node:
            return " or ".join(dict.fromkeys(_type(one) for one in node[key]))
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return f"[{_called(name)}](#{name})"
    if "const" in node:
        return _code(node["const"])
    if "enum" in node:
        return ", ".join(_code(value) for value in node["enum"])
    names = node.get("type", "anything")
    said = " or ".join([names] if isinstance(names, str) else names)
    limits = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    said += "".join(f", {sign} {node[key]:g}" for key, sign in limits.items() if key in node)
    inner = [node["items"]] if isinstance(node.get("items"), Mapping) else []
    inner += [one for one in node.get("patternProperties", {}).values()]
    if isinstance(node.get("additionalProperties"), Mapping):
        inner.append(node["additionalProperties"])
    return f"{said} of {', '.join(map(_type, inner))}" if inner else said


def _called(model: str) -> str:
    """Return the name of a model without that of its module, which some have before it."""
    return model.rpartition("__")[2]


def _code(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n")
    text = text.strip().replace("|", "\\|")
    return f"`{text}`" if len(text) < 200 else "see its table"
