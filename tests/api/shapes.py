"""Whether an answer is what the document says: no field more, none less."""

from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


def read(answer: httpx.Response, model: type[M], status: int = 200) -> M:
    """The answer as its model; fails unless it has this status and exactly the fields of the model."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    found = model.model_validate(body)
    assert _shape(body, found.model_dump(mode="json")) == _shape(found.model_dump(mode="json"), body)
    return found


def refused(answer: httpx.Response, status: int, field: str | None = None) -> str:
    """The detail of a refusal; fails unless it is one, with this status and about this field."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert field is None or problem.get("field") == field, problem
    return str(problem["detail"])


def _shape(value: Any, other: Any) -> Any:
    """The names in a value, as far as the other value has objects and lists too."""
    if isinstance(value, dict) and isinstance(other, dict):
        return {name: _shape(one, other.get(name)) for name, one in value.items()}
    if isinstance(value, list) and isinstance(other, list):
        return [_shape(one, two) for one, two in zip(value, other, strict=True)]
    return None
