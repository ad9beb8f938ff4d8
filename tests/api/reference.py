"""docs/api-reference.md, made from the endpoints and their OpenAPI document: python -m tests.api.reference"""

from pathlib import Path
from typing import Any

from pgqueue import PgQueue
from pgqueue.api import create_app
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
Schema = dict[str, Any]


def reference() -> str:
    """The text of the page."""
    document = create_app(PgQueue("postgresql://localhost/none")).openapi()
    tags = dict.fromkeys(tag for endpoint in ALL for tag in endpoint.options["tags"])
    return HEAD + "".join(_section(tag, document) for tag in tags)


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
    rows = [
        (
            f"`{one['name']}`",
            one["in"],
            _type(one["schema"], document),
            one.get("description") or one["schema"].get("description"),
        )
        for one in said.get("parameters", ())
        if one["in"] != "path"
    ]
    return _table(("parameter", "in", "type", ""), rows)


def _body(said: Schema, document: Schema) -> str:
    content = said.get("requestBody", {}).get("content", {}).get("application/json")
    return "" if content is None else "Body:\n\n" + _fields(content["schema"], document)


def _answer(said: Schema, document: Schema) -> str:
    for status, answer in sorted(said["responses"].items()):
        if status.startswith("2"):
            content = answer.get("content", {})
            media = next(iter(content), None)
            if media is None:
                return f"Answer: {status}, without a body."
            fields = _fields(content[media].get("schema", {}), document)
            return f"Answer: {status}" + (f":\n\n{fields}" if fields else f", {media}.")
    return ""


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
        return _of_object(_resolved(schema, document), document)
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


def _of_object(schema: Schema, document: Schema) -> str:
    """The names of an object's fields; those of its parts are in the OpenAPI document."""
    if "properties" not in schema:
        return _type(schema, document)
    return "{" + ", ".join(schema["properties"]) + "}"


def _table(titles: tuple[str, ...], rows: list[Any]) -> str:
    if not rows:
        return ""
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join("| " + " | ".join(" ".join(str(cell or "").split()) for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(reference())
