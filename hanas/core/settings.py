"""Settings as pydantic models that say in words what is wrong, and what may stand beside a field.

A setting is declared once, as the field of a model, with what else it names (:class:`Entry`,
:class:`Named`, :class:`UserFile`) and whether it changes results (:class:`NoRerun`). Everything
else follows: messages, the check of names, the parameters of a job, ``config.schema.yaml``.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from hanas.core import plugins
from hanas.core.errors import InputError

#: How errors of pydantic are told: what was expected instead.
_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "list_type": "a list",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "multiple_of": "a multiple of {multiple_of}",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_too_short": "some text",
}
#: Types of an error whose message is complete but for the path before it.
_WORDED, _UNKNOWN = "worded", "unknown_setting"

#: Of an entry; it becomes part of the names of files, which systems bound at 255.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,100}$")]
Seed = Annotated[int, Field(ge=0, le=4294967295)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
T = TypeVar("T")
_Handler = Callable[[Any], Any]  # pydantic's, of a type's schema


def _unique(items: list[T] | None) -> list[T] | None:
    twice = [item for n, item in enumerate(items or []) if item in (items or [])[:n]]
    if twice:
        raise InputError(f"holds {twice[0]!r} twice; expected each once")
    return items


#: Of a list: no item is given twice.
Unique = AfterValidator(_unique)


@dataclass(frozen=True)
class Entry:
    """Marks a text that names an entry of another section of the study."""

    section: str


@dataclass(frozen=True)
class NoRerun:
    """Marks a setting that changes no result, so that its edit reruns nothing."""


@dataclass(frozen=True)
class UserFile:
    """Marks the path of a file or folder of the user's, relative to the data folder."""


@dataclass(frozen=True)
class Named:
    """Marks a text that is the name of a plugin of a group, such as a search space."""

    group: str

    def __get_pydantic_core_schema__(self, source: Any, handler: _Handler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: _Handler) -> dict[str, Any]:
        known = {"enum": list(plugins.names(self.group))}
        # A study may declare spaces of its own, whose names a schema cannot know.
        return {"anyOf": [known, handler(schema)]} if self.group == "spaces" else known

    def _checked(self, name: str) -> str:
        names = plugins.names(self.group)
        if name not in names:
            raise InputError(f"is {name!r}; expected one of: {', '.join(names)}")
        return name


@dataclass(frozen=True)
class Member:
    """The type of an entry that is a plugin of a group: its own key says which one.

    Only the modules of plugins that a study names are imported.
    """

    group: str

    def __get_pydantic_core_schema__(self, source: Any, handler: _Handler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: Any, handler: _Handler) -> dict[str, Any]:
        of_group = (plugins.plugin(self.group, name) for name in plugins.names(self.group))
        return {"oneOf": [handler(plugin.__pydantic_core_schema__) for plugin in of_group]}

    def read(self, value: Any) -> Settings:
        """Return the settings of an entry; a mapping whose key names the plugin."""
        if isinstance(value, Settings):
            return value
        key, names = plugins.GROUPS[self.group].key, plugins.names(self.group)
        if not isinstance(value, Mapping):
            raise _worded((), f" is {value!r}; expected a mapping of keys", value)
        expected, name = f"expected one of: {', '.join(names)}", value.get(key)
        if key not in value:
            raise _worded((), f": {key!r} is missing; {expected}", value)
        if name not in names:
            raise _worded((key,), f" is {name!r}; {expected}", name)
        try:
            return plugins.plugin(self.group, name).model_validate(value)
        except ValidationError as error:
            told = [self._of_others(name, one) for one in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(name, told) from None

    def _of_others(self, name: str, error: Any) -> InitErrorDetails:
        """Say of a setting that the plugin does not know which others do know it."""
        key = plugins.GROUPS[self.group].key
        path, value = error["loc"], error["input"]
        others = plugins.names(self.group) if error["type"] == _UNKNOWN else ()
        knowing = [each for each in others if _knows(plugins.plugin(self.group, each), path)]
        if not knowing:
            return _again(error)
        said = f" is {value!r}, which {key} {name!r} does not use; leave it out, or take one of: "
        return _detail(path, said + ", ".join(knowing), value)


class Settings(BaseModel):
    """Settings that are checked when they are made and never change.

    A validator raises :class:`~hanas.core.errors.InputError`; that of a whole model names the
    wrong field first, such as ``images is 4; expected at least batches, 8``.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )
    #: Of what the code computes from these settings: raise it when results change.
    revision: ClassVar[int] = 1

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: _Handler) -> CoreSchema:
        # Around the validators of subclasses too, which a validator here would not be.
        return core_schema.no_info_wrap_validator_function(cls._told_in_words, handler(source))

    @classmethod
    def _told_in_words(cls, value: Any, handler: Callable[[Any], Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            told = [_in_words(cls, one) for one in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, told) from None

    @classmethod
    def read(cls, settings: Mapping[str, Any], place: str = "") -> Self:
        """Return settings made of plain values that stand at a ``place``, ``proxies.naswot``.

        InputError has a line for each setting that is wrong: path, value and what is expected.
        """
        try:
            return cls.model_validate(canonical(settings))
        except ValidationError as error:
            raise InputError("\n".join(problems(error, place))) from None

    def params(self) -> dict[str, Any]:
        """Return what changes results, as plain values with sorted keys: 1 for 1.0."""
        return canonical(self)


def canonical(node: Any) -> Any:
    """Return plain settings in which equal meaning has one form: sorted keys, and 1 for 1.0."""
    if isinstance(node, Settings):
        fields = type(node).model_fields.items()
        marks = {name: field.metadata for name, field in fields}
        kept = [name for name in marks if not any(isinstance(one, NoRerun) for one in marks[name])]
        node = {name: getattr(node, name) for name in kept}
    if isinstance(node, Mapping):
        return {key: canonical(node[key]) for key in sorted(node, key=str)}
    if isinstance(node, list | tuple):
        return [canonical(item) for item in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node


def problems(error: ValidationError, place: str = "") -> list[str]:
    """Return a line for each error of settings: path, value, what is expected."""
    lines = []
    for one in error.errors(include_url=False):
        path = ".".join([place, *map(str, one["loc"])] if place else map(str, one["loc"]))
        text = one["msg"] if one["type"] in (_WORDED, _UNKNOWN) else f": {one['msg']}"
        lines.append(f"{path or 'the study'}{text}" if text[0] != "." or path else text[1:])
    return list(dict.fromkeys(lines))


def marked(
    node: Any,
    mark: type[T],
    path: tuple[str, ...] = (),
    annotation: Any = None,
    marks: Sequence[Any] = (),
) -> Iterator[tuple[tuple[str, ...], Any, T]]:
    """Yield (path, value, mark) of every value of settings whose field has a mark of a type."""
    if node is None:
        return
    if get_origin(annotation) is Annotated:
        annotation, *marks = get_args(annotation)
    yield from ((path, node, one) for one in marks if isinstance(one, mark))
    parts = _alternatives(annotation)
    if isinstance(node, Settings):
        for name, field in type(node).model_fields.items():
            value, here = getattr(node, name), (*path, name)
            yield from marked(value, mark, here, field.annotation, field.metadata)
    elif isinstance(node, Mapping | list):
        kind, items = (dict, node.items()) if isinstance(node, Mapping) else (list, enumerate(node))
        inner = next((get_args(part)[-1] for part in parts if get_origin(part) is kind), None)
        for key, value in items:
            yield from marked(value, mark, (*path, str(key)), inner)
    else:
        for part in parts:
            if get_origin(part) is Annotated:
                yield from marked(node, mark, path, part)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _detail(
    path: Sequence[int | str], text: str, value: Any, kind: Any = _WORDED
) -> InitErrorDetails:
    # The text goes through a field: braces in it are no placeholders.
    error = PydanticCustomError(kind, "{text}", {"text": text})
    return InitErrorDetails(type=error, loc=tuple(path), input=value)


def _worded(path: Sequence[int | str], text: str, value: Any) -> ValidationError:
    return ValidationError.from_exception_data("", [_detail(path, text, value)])


def _again(error: Any) -> InitErrorDetails:
    return _detail(error["loc"], error["msg"], error["input"], error["type"])


def _in_words(cls: type[Settings], error: Any) -> InitErrorDetails:
    """Return an error of pydantic in the words of hanas, with its place."""
    kind, path, value = error["type"], error["loc"], error["input"]
    fields = {field.alias or name: field for name, field in cls.model_fields.items()}
    if kind in (_WORDED, _UNKNOWN):
        return _again(error)
    if kind == "invalid_key":  # a number, or a date
        kind, path = "extra_forbidden", (str(path[-1]),)
    if kind == "extra_forbidden":
        known = ", ".join(sorted(fields))
        return _detail(path, f": no such setting; expected one of: {known}", value, _UNKNOWN)
    if kind == "missing":
        about = fields[str(path[-1])].description or "see config.schema.yaml"
        return _detail(path[:-1], f": {path[-1]!r} is missing; {about}", value)
    if kind == "value_error":
        said = str(error["ctx"]["error"])
        field = said.split(" ")[0].split(".")[0].rstrip(":")
        joint = "." if field in fields else " " if path else ": "
        return _detail(path, said if said[0] == ":" else f"{joint}{said}", value)
    if kind in ("string_pattern_mismatch", "string_type") and path and path[-1] == "[key]":
        text = f": {value!r} is no name; names are text of up to 100 letters, digits and _"
        return _detail(path[:-2], text, value)
    annotation = fields[str(path[0])].annotation if path else None
    expected = _EXPECTED.get(kind, "").format(**canonical(error.get("ctx", {})))
    if kind == "literal_error":
        expected = f"one of: {', '.join(map(str, _literals(annotation)))}"
    if kind.endswith("_type") and len(path) == 1 and type(None) in _alternatives(annotation):
        expected += " or null"
    if not expected:
        return _detail(path, f" is {value!r}: {error['msg']}", value)
    hint = ""
    if "number" in expected and isinstance(value, str):
        hint = _number_hint(value, whole="whole" in expected)
    return _detail(path, f" is {value!r}; expected {expected}{hint}", value)


def _literals(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for part in get_args(annotation):
            yield from _literals(part)


def _number_hint(text: str, *, whole: bool) -> str:
    """Say how to write a number that YAML took for text, such as ``1e-3`` or ``"32"``."""
    try:
        number = float(text)
    except ValueError:
        return ""
    if whole:
        return f" (in quotes it is text; write {number:.0f})" if number.is_integer() else ""
    plain = repr(number) if "e" not in repr(number) else f"{number:.1e}"
    return f" (YAML reads {text} as text; write {plain})"


def _knows(cls: type[BaseModel], path: Sequence[int | str]) -> bool:
    """Return whether a model has a setting at a path of keys."""
    first, *rest = path
    if first not in cls.model_fields:
        return False
    inner = _alternatives(cls.model_fields[str(first)].annotation)
    models = [part for part in inner if isinstance(part, type) and issubclass(part, BaseModel)]
    return not rest or any(_knows(model, rest) for model in models)
