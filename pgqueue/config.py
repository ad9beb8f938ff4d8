"""Settings: arguments win over PGQUEUE_* variables, those over [tool.pgqueue] in pyproject.toml, that over the defaults."""

import os
import tomllib
from typing import Annotated, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, PyprojectTomlConfigSettingsSource, SettingsConfigDict

from .errors import ConfigurationError, DatabaseNotConfigured

PREFIX = "PGQUEUE_"
TEST_URL = "PGQUEUE_TEST_DATABASE_URL"  # where tests run; pgqueue.testing reads it


def _schema_name(name: str) -> str:
    if not 1 <= len(name.encode()) <= 63 or "\x00" in name:
        raise ValueError("use 1 to 63 bytes")
    if name == "$user" or name.startswith("pg_"):
        raise ValueError("PostgreSQL reserves this name")
    return name


def _url(url: str | None) -> str | None:
    """Refuse what libpq cannot read. The message shows only the scheme: the rest may hold a password."""
    if url is None or url.startswith("embedded:"):
        return url
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        scheme, found, _ = url.partition("://")
        shown = f"'{scheme}://…'" if found and scheme.replace("+", "").isalnum() else "it"
        raise ValueError(f"{shown} is not valid; use postgresql://user@host/database or embedded:") from None
    return url


Url = Annotated[str | None, Field(repr=False), AfterValidator(_url)]  # a password is not for logs


class Pyproject(PyprojectTomlConfigSettingsSource):
    """[tool.pgqueue] of the pyproject.toml in the current directory; `schema` is spelled as everywhere else."""

    def __call__(self) -> dict[str, Any]:
        return {"schema_name" if name == "schema" else name: value for name, value in super().__call__().items()}


class Settings(BaseSettings):
    """What an app is built from.

    Attributes:
        database_url: postgresql://…, or embedded: (or embedded:/path) for a private server to try things out.
        listen_url: a direct connection for LISTEN and heartbeats, where database_url goes through a pooler.
        schema_name: the schema pgqueue is installed in (PGQUEUE_SCHEMA).
        lease: seconds a worker may be silent before its jobs are rescued.
        pool_size: connections an application process opens at most, sync and async each.
        transaction_pool_size: connections for `ctx.transaction()` a worker process opens at most, for async handlers and for
            those in threads each; further blocks wait.
        process_pool_size: processes a worker opens at most for `executor="process"`; None = one per CPU.
        result_ttl: seconds a result is kept; None = 24 hours; 1000 years at most.
        max_result_bytes: how large a result may be, as JSON; 1 MiB. A job that returns more fails.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, populate_by_name=True, extra="forbid", pyproject_toml_table_header=("tool", "pgqueue")
    )

    database_url: Url = None
    listen_url: Url = None
    schema_name: Annotated[str, Field(validation_alias="PGQUEUE_SCHEMA"), AfterValidator(_schema_name)] = "pgqueue"
    lease: Annotated[float, Field(ge=1, le=3600)] = 30
    pool_size: Annotated[int, Field(ge=1, le=100)] = 4
    transaction_pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    process_pool_size: Annotated[int, Field(ge=1, le=1000)] | None = None
    result_ttl: Annotated[float, Field(ge=0, le=1000 * 365.25 * 86_400)] | None = None
    max_result_bytes: Annotated[int, Field(ge=1)] = 1_048_576

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, pyproject.toml."""
        return init_settings, env_settings, Pyproject(settings_cls)


def load_settings(**given: object) -> Settings:
    """Settings from arguments (None = not given), the environment and the defaults.

    Raises:
        ConfigurationError: a setting is wrong; the message names it, its value and what is allowed.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"pyproject.toml: {error}") from None
    except ValidationError as error:
        raise ConfigurationError("; ".join(map(_described, error.errors()))) from None


def _described(error: ErrorDetails) -> str:
    name = ".".join(map(str, error["loc"])) or "settings"
    if error["type"] == "extra_forbidden":
        return f"{name}: there is no such setting; there are: {', '.join(names())}"
    message = error["msg"].removeprefix("Value error, ")
    if name.lower().endswith("_url"):
        return f"{name}: {message}"
    return f"{name}: {error['input']!r} is not valid: {message}"


def names() -> list[str]:
    """The settings, as arguments and pyproject.toml name them."""
    return sorted("schema" if name == "schema_name" else name for name in Settings.model_fields)


def unknown_variables() -> list[str]:
    """Environment variables that look like settings and are none: a misspelled one would go unnoticed."""
    known = {f"{PREFIX}{name.upper()}" for name in names()}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known | {TEST_URL})


def connection_url(settings: Settings) -> str:
    """The URL to connect to; starts the embedded server when the setting says embedded:.

    Raises:
        DatabaseNotConfigured: there is none.
    """
    url = settings.database_url
    if not url:
        raise DatabaseNotConfigured
    if url.startswith("embedded:"):
        from .embedded import start

        return start(url.removeprefix("embedded:") or None)
    return url
