"""Settings: arguments win over PGQUEUE_* environment variables, which win over the defaults here."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import ConfigurationError, DatabaseNotConfigured


def _schema_name(name: str) -> str:
    if not 1 <= len(name.encode()) <= 63 or "\x00" in name:
        raise ValueError("use 1 to 63 bytes")
    if name == "$user" or name.startswith("pg_"):
        raise ValueError("PostgreSQL keeps this name to itself")
    return name


class Settings(BaseSettings):
    """What an app is built from.

    Attributes:
        database_url: postgresql://…, or embedded: (or embedded:/path) for a private server to try things out.
        listen_url: a direct connection for LISTEN and heartbeats, where database_url goes through a pooler.
        schema_name: the schema pgqueue is installed in (PGQUEUE_SCHEMA).
        lease: seconds a worker may be silent before its jobs are rescued.
        pool_size: connections an application process opens at most, sync and async each.
        process_pool_size: processes a worker opens at most for `executor="process"`; None = one per CPU.
        result_ttl: seconds a result is kept; None = 24 hours.
    """

    model_config = SettingsConfigDict(env_prefix="PGQUEUE_", populate_by_name=True, extra="forbid")

    database_url: str | None = None
    listen_url: str | None = None
    schema_name: Annotated[str, Field(validation_alias="PGQUEUE_SCHEMA"), AfterValidator(_schema_name)] = "pgqueue"
    lease: Annotated[float, Field(ge=1, le=3600)] = 30
    pool_size: Annotated[int, Field(ge=1, le=100)] = 4
    process_pool_size: Annotated[int, Field(ge=1, le=1000)] | None = None
    result_ttl: Annotated[float, Field(ge=0)] | None = None


def load_settings(**given: object) -> Settings:
    """Settings from arguments (None = not given), the environment and the defaults.

    Raises:
        ConfigurationError: a setting is wrong; the message names it, its value and what is allowed.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['input']!r} is not valid: {e['msg']}" for e in error.errors())
        raise ConfigurationError(wrong) from None


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
