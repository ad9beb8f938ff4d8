"""Values to JSON text and back by a type hint, with pydantic."""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any

from pydantic import ConfigDict, GetCoreSchemaHandler, PydanticUserError, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import CoreSchema, core_schema

from .faults import Fault, faults, may_be_too_long

CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", allow_inf_nan=False)
_CORE = core_schema.CoreConfig(ser_json_bytes="base64", val_json_bytes="base64", allow_inf_nan=False)
MOST = 20  # faults to find at most
NUL = "\\u0000"  # as written in JSON


class Unfinished(Exception):
    """A hint has a name that does not exist yet."""


class Unfit(Exception):
    """pydantic has no JSON form for a hint; the text of the exception has the reason."""


def adapter(hint: Any) -> TypeAdapter[Any]:
    """The adapter that converts values of this hint.

    Raises:
        Unfinished: the hint has a name that does not exist yet.
        Unfit: the hint has no JSON form.
    """
    try:
        made: TypeAdapter[Any] = TypeAdapter(Annotated[Any, _Of(hint)], config=CONFIG)
    except PydanticSchemaGenerationError:
        raise Unfit("pydantic has no JSON form for it") from None
    except NameError as error:
        raise Unfinished(str(error)) from None
    except PydanticUserError as error:
        if error.code == "class-not-fully-defined":
            raise Unfinished(str(error)) from None
        raise Unfit(str(error).partition("\n")[0].rstrip(". ")) from None
    if not getattr(made, "pydantic_complete", True):
        raise Unfinished("a type that it refers to is not defined yet")
    return made


class _Of:
    """Holds a hint, because pydantic takes no settings together with a hint that may have its own settings."""

    def __init__(self, hint: Any) -> None:
        self._hint = hint

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(self._hint)


class Fields:
    """Annotates a dict whose keys are arguments: nothing is added, and absent arguments stay absent."""

    def __init__(self, hints: Mapping[str, Any], required: frozenset[str]) -> None:
        self._hints, self._required = hints, required

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        fields = {
            name: core_schema.typed_dict_field(handler.generate_schema(hint), required=name in self._required)
            for name, hint in self._hints.items()
        }
        return core_schema.typed_dict_schema(fields, extra_behavior="forbid", config=_CORE)


def hidden_faults(serializer: Any, value: Any, text: str, is_plain: bool = False) -> list[Fault]:
    """Values that pydantic writes although PostgreSQL or JSON cannot hold them: NUL, long integers,
    and NaN in classes of other packages (written as null)."""
    if NUL not in text and (is_plain or "null" not in text) and not may_be_too_long(text):
        return []
    found = faults(serializer.to_python(value, mode="json", round_trip=True, by_alias=True, warnings=False))
    return list(islice(found, MOST))
