"""docs/api-reference.md, made from the endpoints and their OpenAPI document: python -m tests.api.reference"""

import re
from pathlib import Path
from typing import Any

from pgqueue import PgQueue
from pgqueue.api import create_app
from pgqueue.api.bodies.filters import JobFilter
from pgqueue.api.endpoint import PREFIX, REFUSES, Endpoint, route_of
from pgqueue.api.routes import ALL

FILE = Path(__file__).parents[2] / "docs" / "api-reference.md"
HEAD = f"""# REST API: reference

Made from the OpenAPI document, which the server has at `/openapi.json`. What holds for all endpoints,
and examples, is in [api.md](api.md). Paths are below `{PREFIX}`; `/health` and\n`/metrics` for Prometheus are not.

Each may also refuse with {", ".join(map(str, REFUSES))}: see [problems.md](problems.md). *Needs*: the roles of a key that may
call it; admin may call each. *Bound keys*: keys for some queues may call it too, for these queues.
"""
ADMIN = "admin"
_LINK = re.compile(r"\[(\w+)\]\(#\w+\)")
_OF_FILTERS = {"ids", "state", "queue", "task", "created_after"}
Schema = dict[str, Any]


def reference() -> str:
    """The text of the page."""
    document = create_app(PgQueue("postgresql://localhost/none")).openapi()
    tags = dict.fromkeys(tag for endpoint in ALL for tag in endpoint.options["tags"])
    sections = "".join(_section(tag, document) for tag in tags)
    return HEAD + sections + _objects(sections, document)


def _objects(text: str, document: Schema) -> str:
    """The objects that are named in a text, and those that these name."""
    parts: dict[str, str] = {}
    while missing := sorted(set(_LINK.findall(text + "".join(parts.values()))) - parts.keys()):
        for name in missing:
            schema = document["components"]["schemas"][name]
            about = _text(schema.get("description", "")) + "\n" if schema.get("description") else ""
            parts[name] = f"\n### {name}\n\n{about}{_fields(schema, document)}"
    return "\n## Objects\n" + "".join(parts[name] for name in sorted(parts))


def _section(tag: str, document: Schema) -> str:
    own = [endpoint for endpoint in ALL if tag in endpoint.options["tags"]]
    return f"\n## {tag[0].upper()}{tag[1:]}\n" + "".join(_endpoint(endpoint, document) for endpoint in own)


def _endpoint(endpoint: Endpoint, document: Schema) -> str:
    path = route_of(endpoint).replace(":path}", "}")
    said = document["paths"][path][endpoint.method.lower()]
    shown = path if endpoint.is_root else path.removeprefix(PREFIX)
    parts = [f"\n### {endpoint.method} {shown}\n", _text(said["description"]), _facts(endpoint)]
    parts += [_parameters(said, document), _body(said, document), _answer(said, document)]
    return "\n".join(part for part in parts if part) + "\n"


def _text(description: str) -> str:
    return "\n".join(line.strip() for line in description.strip().splitlines()) + "\n"


def _facts(endpoint: Endpoint) -> str:
    needs = ", ".join(sorted(endpoint.may - {ADMIN})) or (ADMIN if endpoint.may else "no key")
    facts = [f"Needs: {needs}."]
    if endpoint.is_bound:
        facts.append("Bound keys: yes.")
    if endpoint.refuses:
        facts.append(f"Also refuses with {', '.join(map(str, endpoint.refuses))}.")
    return " ".join(facts) + "\n"


def _parameters(said: Schema, document: Schema) -> str:
    given = [one for one in said.get("parameters", ()) if one["in"] != "path"]
    is_filtered = {one["name"] for one in given} >= _OF_FILTERS
    rows = [
        (
            f"`{one['name']}`",
            one["in"],
            _type(one["schema"], document),
            one.get("description") or one["schema"].get("description"),
        )
        for one in given
        if not (is_filtered and one["name"] in JobFilter.model_fields)
    ]
    about = "Query: the fields of a filter, see [JobFilter](#jobfilter).\n\n" if is_filtered else ""
    return about + _table(("parameter", "in", "type", ""), rows)


def _body(said: Schema, document: Schema) -> str:
    content = said.get("requestBody", {}).get("content", {}).get("application/json")
    return "" if content is None else "Body:\n\n" + _fields(content["schema"], document)


def _answer(said: Schema, document: Schema) -> str:
    good = {status: answer for status, answer in sorted(said["responses"].items()) if status.startswith("2")}
    statuses = " or ".join(good)
    content = next(iter(good.values())).get("content", {})
    media = next(iter(content), None)
    if media is None:
        return f"Answer: {statuses}, without a body."
    fields = _fields(content[media].get("schema", {}), document)
    return f"Answer: {statuses}" + (f":\n\n{fields}" if fields else f", {media}.")


def _fields(schema: Schema, document: Schema) -> str:
    found = _resolved(schema, document)
    required = set(found.get("required", ()))
    rows = [
        (f"`{name}`" + ("" if name in required else "?"), _type(one, document), one.get("description"))
        for name, one in found.get("properties", {}).items()
    ]
    if not rows and found:
        return _type(schema, document) + "\n"
    return _table(("field", "type", ""), rows)


def _resolved(schema: Schema, document: Schema) -> Schema:
    """The object that a schema stands for, if it is one; of an optional one the object."""
    if "$ref" in schema:
        found: Schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    for one in schema.get("anyOf", ()):
        if "$ref" in one:
            return _resolved(one, document)
    return schema


def _type(schema: Schema, document: Schema) -> str:
    if "$ref" in schema:
        name, found = schema["$ref"].rpartition("/")[2], _resolved(schema, document)
        return f"[{name}](#{name.lower()})" if "properties" in found else _type(found, document)
    if "anyOf" in schema:
        kinds = dict.fromkeys(_type(one, document) for one in schema["anyOf"] if one.get("type") != "null")
        return " or ".join(kinds) + (" or null" if any(one.get("type") == "null" for one in schema["anyOf"]) else "")
    if "enum" in schema:
        return " \\| ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), document)}"
    return str(schema.get("format") or schema.get("type") or "JSON")


def _table(titles: tuple[str, ...], rows: list[Any]) -> str:
    if not rows:
        return ""
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join("| " + " | ".join(" ".join(str(cell or "").split()) for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(reference())
