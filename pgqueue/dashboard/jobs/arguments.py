"""A form of the arguments of a task, from their JSON schema, and back from what was typed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...api import exact
from ..form import Form
from ..render import json_text

PREFIX = "arg:"  # before the names of arguments, so that none is that of an option
WIDE = 80  # characters; a longer text gets several lines
_NO_JSON = 'it is no JSON; a text stands in quotes: "yes"'
_TEXTS = ("text", "long", "date", "time", "secret")  # kinds whose value is what was typed
_NULL = {"type": "null"}
Schema = Mapping[str, Any]


@dataclass(slots=True)
class Field:
    """An argument in a form.

    Attributes:
        name: of the argument.
        kind: text, long, number, whole, yes_or_no, choice, date, time, secret or json.
        about: what it is for; None = nobody says.
        is_required: whether it has no default.
        default: its default, as it is shown.
        choices: the values as JSON and as they are shown.
        typed: what stands in it.
        error: what is wrong with it.
    """

    name: str
    kind: str
    about: str | None
    is_required: bool
    default: str | None
    choices: list[tuple[str, str]]
    typed: str = ""
    error: str | None = None


def fields_of(schema: Schema, is_secret: Callable[[str], bool] = lambda _: False) -> list[Field]:
    """The fields of the arguments, in the order of the function.

    Args:
        schema: of the arguments.
        is_secret: whether a name is that of a secret: nobody is to read over a shoulder what is typed.
    """
    definitions = schema.get("$defs", {})
    required = set(schema.get("required", ()))
    found = [_field(name, its, name in required, definitions) for name, its in schema.get("properties", {}).items()]
    for field in found:
        field.kind = "secret" if field.kind == "text" and is_secret(field.name) else field.kind
    return found


def fill(fields: list[Field], args: Mapping[str, Any]) -> bool:
    """Write arguments into their fields. Returns whether all of them have a field that can hold them."""
    by_name = {field.name: field for field in fields}
    if args.keys() - by_name.keys():
        return False
    return all(_fill_one(by_name[name], value) for name, value in args.items())


def keep(fields: list[Field], form: Form) -> None:
    """Write what was typed into the fields again."""
    for field in fields:
        field.typed = form.get(PREFIX + field.name, "")
        if field.kind == "text" and "\n" in field.typed:
            field.kind = "long"


def read(fields: list[Field]) -> tuple[dict[str, Any], bool]:
    """The arguments that the fields hold, and whether all are well; what is wrong is noted in its field."""
    found: dict[str, Any] = {}
    for field in fields:
        try:
            if field.typed == "":
                if field.is_required:
                    field.error = "it is needed" + ("; an empty text is given as JSON" if field.kind in ("text", "long") else "")
                continue
            found[field.name] = _value(field)
        except ValueError as error:
            field.error = str(error)
    return found, not any(field.error for field in fields)


def read_json(text: str) -> dict[str, Any]:
    """Arguments as JSON. Raises ValueError if they are none."""
    try:
        found = exact.read((text.strip() or "{}").encode())
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except ValueError as error:
        raise ValueError(f"it is no JSON: {str(error)[:300]}") from None
    if not isinstance(found, dict):
        raise ValueError('give an object with the arguments by name: {"to": "ann@example.org"}')
    return found


def blame(fields: list[Field], detail: str) -> None:
    """Note what the API says of arguments beside their fields."""
    for field in fields:
        name = re.escape(field.name)
        if found := re.search(rf"(?:cannot take|;) {name}(?:\.[\w.]+)? = (?P<why>.*?)(?=; [\w.]+ = |$)", detail, re.S):
            field.error = found["why"]
        elif re.search(rf"misses [^;]*'{name}'", detail):
            field.error = "it is needed"


def _value(field: Field) -> Any:
    """What a field holds. Raises ValueError if it is not of its kind."""
    text = field.typed
    if field.kind in _TEXTS:
        return text.replace("\r\n", "\n")
    try:
        value = exact.read(text.strip().encode())
    except (ValueError, RecursionError):
        raise ValueError("use a number" if field.kind in ("number", "whole") else _NO_JSON) from None
    if field.kind in ("number", "whole") and (isinstance(value, str | bool | dict | list) or value is None):
        raise ValueError("use a number")
    return value


def _fill_one(field: Field, value: Any) -> bool:
    if field.kind in _TEXTS:
        if not isinstance(value, str) or value == "" or "\r" in value:
            return False
        if field.kind == "text" and (len(value) > WIDE or "\n" in value):
            field.kind = "long"
        field.typed = value
        return True
    text = json_text(value, indented=False)
    if field.kind in ("choice", "yes_or_no") and text not in [given for given, _ in field.choices]:
        return False
    field.typed = json_text(value) if field.kind == "json" and len(text) > WIDE else text
    return True


def _field(name: str, schema: Schema, is_required: bool, definitions: Schema) -> Field:
    its = _inner(schema, definitions)
    kind, choices = _kind(its)
    default = _said(schema["default"]) if "default" in schema else None
    about = schema.get("description") or its.get("description")
    return Field(name, kind, about if isinstance(about, str) else None, is_required, default, choices)


def _inner(schema: Schema, definitions: Schema) -> Schema:
    """The schema behind references and `or null`."""
    for _ in range(20):  # a reference to itself has no form
        if isinstance(ref := schema.get("$ref"), str):
            schema = definitions.get(ref.rpartition("/")[2], {})
        elif isinstance(options := schema.get("anyOf"), list) and len(rest := [one for one in options if one != _NULL]) == 1:
            schema = rest[0]
        else:
            return schema
    return {}


def _kind(schema: Schema) -> tuple[str, list[tuple[str, str]]]:
    if "enum" in schema or "const" in schema:
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        return "choice", [(json_text(one, indented=False), _said(one)) for one in values]
    match schema.get("type"):
        case "boolean":
            return "yes_or_no", [("true", "true"), ("false", "false")]
        case "integer":
            return "whole", []
        case "number":
            return "number", []
        case "string":
            kinds = {"date": "date", "date-time": "time", "password": "secret"}
            return kinds.get(str(schema.get("format")), "text"), []
    return "json", []


def _said(value: Any) -> str:
    """A default, or a choice, as it is shown."""
    text = value if isinstance(value, str) else json_text(value, indented=False)
    return (text if len(text) <= WIDE else f"{text[:WIDE]}…") or '""'
