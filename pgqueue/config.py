"""Settings, in this order: arguments, PGQUEUE_* variables, [tool.pgqueue] in pyproject.toml, defaults."""

import os
import tomllib
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)

from .database.url import DatabaseUrl, plain_url, setting_of
from .database.url import read_url as read_database_url
from .errors import ConfigurationError, DatabaseNotConfigured
from .redact import Redactor

PREFIX = "PGQUEUE_"
EMBEDDED = "embedded:"
TEST_URL = "PGQUEUE_TEST_DATABASE_URL"  # the database of tests; pgqueue.testing reads it


def _schema_name(name: str) -> str:
    if not 1 <= len(name.encode()) <= 63 or "\x00" in name:
        raise ValueError("use 1 to 63 bytes")
    if name == "$user" or name.startswith("pg_"):
        raise ValueError("PostgreSQL reserves this name")
    return name


def _url(url: SecretStr | None) -> SecretStr | None:
    """As libpq reads it. Refuses one that it cannot read, before it can say so and show it."""
    if url is None or url.get_secret_value().startswith(EMBEDDED):
        return url
    try:
        read_database_url(url.get_secret_value())
    except ConfigurationError as error:
        raise ValueError(str(error).removeprefix("database_url: ")) from None
    plain = plain_url(url.get_secret_value())
    return SecretStr(DatabaseUrl(plain, setting_of(plain)))


def _secret(value: object) -> object:
    """A URL that knows its setting; pydantic would make plain text of it."""
    return SecretStr(value) if isinstance(value, DatabaseUrl) else value


Url = Annotated[SecretStr | None, BeforeValidator(_secret), AfterValidator(_url)]  # it may hold a password


def _from(settings: dict[str, Any], setting: Callable[[str], str]) -> dict[str, Any]:
    """The settings of a source, with URLs that know what they are called there."""
    return {
        name: DatabaseUrl(value, setting(name)) if name.endswith("_url") and isinstance(value, str) else value
        for name, value in settings.items()
    }


class Environment(EnvSettingsSource):
    """PGQUEUE_* variables."""

    def __call__(self) -> dict[str, Any]:
        return _from(super().__call__(), lambda name: f"{PREFIX}{name.upper()}")


def _names(value: object) -> object:
    """Names from a variable, with commas between them."""
    return [name for part in value.split(",") if (name := part.strip())] if isinstance(value, str) else value


def _level(level: object) -> object:
    return level.lower() if isinstance(level, str) else level


LogLevel = Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_level)]
LogFormat = Literal["json", "console"]


class Pyproject(PyprojectTomlConfigSettingsSource):
    """[tool.pgqueue] of the pyproject.toml in the current directory; `schema` is spelled as everywhere else."""

    def __call__(self) -> dict[str, Any]:
        given = _from(super().__call__(), lambda name: f"{name} in pyproject.toml")
        return {"schema_name" if name == "schema" else name: value for name, value in given.items()}


LONGEST = 1000 * 365.25 * 86_400  # seconds: 1,000 years


class Settings(BaseSettings):
    """The settings of an app.

    Attributes:
        database_url: postgresql://…, also as SQLAlchemy writes it (postgresql+asyncpg://…), or embedded: (or embedded:/path) for
            a private server to try things out. Like the other URLs it is shown as stars, also by `model_dump`;
            `get_secret_value()` returns it, without the driver.
        listen_url: a direct connection for LISTEN and heartbeats, if database_url goes through a pooler.
        read_url: a streaming replica, for lists, figures and history of the REST API and the dashboard; None = the primary.
        schema_name: the schema in which pgqueue is installed (PGQUEUE_SCHEMA).
        lease: seconds for which a worker may be silent before its jobs are rescued.
        pool_size: the most connections that an application process opens, for sync and async code each.
        transaction_pool_size: the most connections for `ctx.transaction()` that a worker process opens, for async handlers and
            for handlers in threads each; further blocks wait.
        process_pool_size: the most processes that a worker starts for `executor="process"`; None = one per CPU that
            its container may use.
        api_pool_size: the most connections that a process of the REST API opens for requests.
        result_ttl: seconds for which a result is kept; None = 24 hours; at most 1000 years.
        timeout: seconds that one run of a job may take unless its task says otherwise; None = no limit.
        soft_timeout: seconds, or a share such as "80%" of the timeout, after which a run is warned of; None = 80% of the timeout.
            Seconds do not apply to tasks whose own timeout is not longer: they have 80% of it.
        max_result_bytes: the largest size of a result as JSON; default 1 MiB, at most 64 MiB. A job that returns more fails.
        log_level: the lowest level that a worker logs: debug, info, warning, error or critical.
        log_format: how a worker logs: json, or console for people; None = console on a terminal, else JSON.
        log_file: a file to which a worker logs too; a new one each day, 30 are kept. Workers of a machine may share it.
        app_version: of the application: which release a worker runs, shown beside it; None = it is not said.
        redact: names of values that logs and the command line do not show; None = those of `pgqueue.redact.DEFAULT`; "+iban" adds
            one to them. In a variable with commas between them.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        populate_by_name=True,
        extra="forbid",
        validate_assignment=True,
        hide_input_in_errors=True,  # the input may be a URL
        pyproject_toml_table_header=("tool", "pgqueue"),
    )

    database_url: Url = None
    listen_url: Url = None
    read_url: Url = None
    schema_name: Annotated[str, Field(validation_alias="PGQUEUE_SCHEMA"), AfterValidator(_schema_name)] = "pgqueue"
    lease: Annotated[float, Field(ge=1, le=3600)] = 30
    pool_size: Annotated[int, Field(ge=1, le=100)] = 4
    transaction_pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    process_pool_size: Annotated[int, Field(ge=1, le=1000)] | None = None
    api_pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    result_ttl: Annotated[float, Field(ge=0, le=LONGEST)] | None = None
    timeout: Annotated[float, Field(ge=0, le=LONGEST)] | None = None
    soft_timeout: Annotated[float, Field(ge=0, le=LONGEST)] | Annotated[str, Field(pattern=r"^\d{1,2}(\.\d+)?%$")] | None = None
    max_result_bytes: Annotated[int, Field(ge=1, le=67_108_864)] = 1_048_576
    log_level: LogLevel = "info"
    log_format: LogFormat | None = None
    log_file: Annotated[str, Field(min_length=1)] | None = None
    app_version: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    # With `str`, because a variable that can only be a list would have to be JSON.
    redact: Annotated[list[str] | str | None, BeforeValidator(_names)] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources in their order: arguments, environment, pyproject.toml."""
        return init_settings, Environment(settings_cls), Pyproject(settings_cls)


def is_embedded(settings: Settings) -> bool:
    """Whether the database is a private server, which has no other login than a superuser."""
    return settings.database_url is not None and settings.database_url.get_secret_value().startswith(EMBEDDED)


def load_settings(**given: object) -> Settings:
    """Settings from arguments (None = not given), the environment and the defaults.

    Raises:
        ConfigurationError: a setting is invalid; the message names it, its value and the allowed values.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except tomllib.TOMLDecodeError as error:
        fault = f"pyproject.toml: {error}"
    except ValidationError as error:
        fault = "; ".join(map(_described, error.errors()))
    raise ConfigurationError(fault)  # here, so that it has no context: pydantic's errors hold the input


def _described(error: ErrorDetails) -> str:
    name = ".".join(map(str, error["loc"])) or "settings"
    if error["type"] == "extra_forbidden":
        return f"{name}: there is no such setting; there are: {', '.join(names())}"
    message = error["msg"].removeprefix("Value error, ")
    if any(str(part).lower().endswith("_url") for part in error["loc"]):
        return f"{name}: {message}"
    return f"{name}: {Redactor().text(repr(error['input']))} is not valid: {message}"  # a URL may stand in the wrong place


def check_schema_name(name: str) -> None:
    """Raise ConfigurationError unless PostgreSQL takes this name for a schema."""
    try:
        _schema_name(name)
    except ValueError as error:
        raise ConfigurationError(f"schema: {name!r} is not valid: {error}") from None


def names() -> list[str]:
    """The names of the settings in arguments and pyproject.toml."""
    return sorted("schema" if name == "schema_name" else name for name in Settings.model_fields)


def unknown_variables() -> list[str]:
    """Environment variables that look like settings but are not, because a misspelled one would go unnoticed."""
    known = {f"{PREFIX}{name.upper()}" for name in names()}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known | {TEST_URL})


def connection_url(settings: Settings) -> str:
    """The URL to connect to; starts the embedded server if the setting is embedded:.

    Raises:
        DatabaseNotConfigured: there is no URL.
    """
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    if not url:
        raise DatabaseNotConfigured
    if is_embedded(settings):
        from .embedded import start

        return start(url.removeprefix(EMBEDDED) or None)
    return url
