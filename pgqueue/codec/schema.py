"""The JSON schema of the arguments of a task, for forms and for clients in other languages."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema

Schema = dict[str, Any]
_SECTION = re.compile(r"^(args|arguments|parameters):\s*$", re.I | re.M)
_NAMED = re.compile(r"^(?P<indent>[ \t]+)\*{0,2}(?P<name>\w+)[ \t]*(?:\([^)\n]*\))?:[ \t]*(?P<text>.*)$")
_FIELD = re.compile(r"^[ \t]*:param(?:[ \t]+[^:\n]*?)?[ \t]+(?P<name>\w+):[ \t]*(?P<text>.*)$", re.M)


class _Lenient(GenerateJsonSchema):
    """Any JSON where pydantic knows no schema: a form then asks for JSON."""

    def handle_invalid_for_json_schema(self, schema: CoreSchema, error_info: str) -> JsonSchemaValue:
        return {}


def schema_of(
    arguments: TypeAdapter[Any],
    names: list[str],
    required: frozenset[str],
    defaults: Mapping[str, Any],
    function: Callable[..., Any],
) -> Schema:
    """The schema.

    Args:
        arguments: converts the arguments, by name.
        names: of the arguments, in the order of the function.
        required: those without a default.
        defaults: as JSON values, as far as they have one.
        function: the handler, whose docstring describes arguments that their hints do not describe.
    """
    found = arguments.json_schema(schema_generator=_Lenient)
    said, its = described(function), found.get("properties", {})
    properties = {name: _property(its.get(name, {}), said.get(name), defaults, name) for name in names}
    made: Schema = {"type": "object", "properties": properties, "required": [name for name in names if name in required]}
    made["additionalProperties"] = False
    return made | ({"$defs": found["$defs"]} if "$defs" in found else {})


def _property(schema: Schema, said: str | None, defaults: Mapping[str, Any], name: str) -> Schema:
    its = dict(schema)
    if said and "description" not in its:
        its["description"] = said
    return its | ({"default": defaults[name]} if name in defaults else {})


def summary_of(function: Callable[..., Any]) -> str | None:
    """The first paragraph of its docstring, in one line."""
    text = inspect.getdoc(function) or ""
    return " ".join(text.split("\n\n")[0].split()) or None


def described(function: Callable[..., Any]) -> dict[str, str]:
    """What the docstring says of arguments, by name, in the style of Google or of Sphinx."""
    text = inspect.getdoc(function) or ""
    found = {one["name"]: one["text"].strip() for one in _FIELD.finditer(text)}
    if section := _SECTION.search(text):
        found |= _listed(text[section.end() :].lstrip("\n").splitlines())
    return {name: about for name, about in found.items() if about}


def _listed(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name, indent = "", ""
    for line in lines:
        if line.strip() and not line.startswith((" ", "\t")):
            break
        entry = _NAMED.match(line)
        if entry and (not indent or entry["indent"] == indent):
            name, indent = entry["name"], entry["indent"]
            found[name] = entry["text"].strip()
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}"
    return found
