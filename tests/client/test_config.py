"""Settings: where they come from, and how a wrong one is named."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from pgqueue import PgQueue
from pgqueue.config import Settings, connection_url, load_settings, names
from pgqueue.errors import ConfigurationError, DatabaseNotConfigured, NotMigrated
from pgqueue.migrate import migrate
from tests.looking import Look

URL = "postgresql://nobody@localhost:1/nothing"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine that runs the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PGQUEUE_{name.upper()}", raising=False)
    monkeypatch.delenv("PGQUEUE_SCHEMA", raising=False)


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = load_settings()
    assert (settings.database_url, settings.schema_name, settings.lease, settings.pool_size) == (None, "pgqueue", 30, 4)
    assert settings.max_result_bytes == 1024 * 1024


def test_the_environment_beats_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DATABASE_URL": URL, "SCHEMA": "jobs", "LEASE": "5.5", "POOL_SIZE": "9", "RESULT_TTL": "60"}.items():
        monkeypatch.setenv(f"PGQUEUE_{name}", value)
    app = PgQueue()
    settings = app.settings
    assert (settings.schema_name, settings.lease, settings.pool_size, settings.result_ttl) == ("jobs", 5.5, 9, 60)
    assert app.url == URL


def test_an_argument_beats_the_environment_and_none_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", "postgresql://elsewhere")
    monkeypatch.setenv("PGQUEUE_SCHEMA", "jobs")
    app = PgQueue(URL, schema=None)
    assert (app.url, app.settings.schema_name) == (URL, "jobs")
    assert PgQueue(schema="mine").settings.schema_name == "mine"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lease": 0}, "lease: 0 is not valid"),
        ({"pool_size": "many"}, "pool_size: 'many' is not valid"),
        ({"result_ttl": -1}, "result_ttl: -1 is not valid"),
        ({"max_result_bytes": 0}, "max_result_bytes: 0 is not valid"),
        ({"max_result_bytes": 67_108_865}, "max_result_bytes: 67108865 is not valid"),
        ({"schema": ""}, "'' is not valid"),
        ({"schema": "x" * 64}, "is not valid: use 1 to 63 bytes"),
        ({"leese": 1}, "leese: there is no such setting; there are: api_pool_size, .*lease"),
    ],
)
def test_a_wrong_argument_is_named_with_its_value(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        PgQueue(URL, **given)  # type: ignore[arg-type]


def test_the_end_of_a_password_is_not_taken_for_a_host() -> None:
    with pytest.raises(ConfigurationError, match="write an @ of a password as %40") as refused:
        PgQueue("postgresql://ada:hunt@er2@localhost/db")
    assert "er2" not in str(refused.value)
    for url in ("postgresql://ada:hunt%40er2@localhost/db", "postgresql:///db?host=/tmp/a@b", "host=@abstract"):
        PgQueue(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://ada:hunter2/x@localhost/db", "its port is not a number; write a / of a password as %2F"),
        ("postgresql://ada:123/hunter2@localhost/db", "an @ stands behind a /; write a / of a password as %2F"),
        ("postgresql://ada:x@hunter2:y@localhost/db", "its port is not a number; .* an @ as %40 and a : as %3A"),
        ("postgresql://ada:x@y/hunter2@localhost/db", "an @ stands behind a /"),
        ("host=localhost password=a port=hunter2", "its port is not a number"),
    ],
)
def test_a_part_of_a_password_is_not_taken_for_a_port_or_a_database(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        PgQueue(url)
    assert "hunter2" not in str(refused.value)
    for fine in ("postgresql://ada:a%2Fb@localhost:1,two:2/d%40b", "postgresql://ada:a?b@host/db", "host=a,b port=1,2", "port="):
        PgQueue(fine)


def test_a_url_in_the_place_of_another_setting_is_shown_without_its_password() -> None:
    with pytest.raises(ConfigurationError, match="lease: ") as refused:
        PgQueue(URL, lease="postgresql://ada:hunter2@localhost/db")
    assert "hunter2" not in str(refused.value)


def test_a_wrong_variable_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_LEASE", "soon")
    with pytest.raises(ConfigurationError, match="lease: 'soon' is not valid"):
        PgQueue(URL)


def test_a_missing_url_names_both_remedies_and_only_when_it_is_needed() -> None:
    app = PgQueue()
    task = app.task(name="nothing")(lambda: None)
    with pytest.raises(DatabaseNotConfigured, match=r"PGQUEUE_DATABASE_URL=postgresql://.*PGQUEUE_DATABASE_URL=embedded:"):
        task.enqueue()
    with pytest.raises(DatabaseNotConfigured):
        connection_url(load_settings(database_url=""))


def test_embedded_starts_a_server_where_the_url_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[str | None] = []

    def start(directory: str | None = None) -> str:
        started.append(directory)
        return URL

    monkeypatch.setattr("pgqueue.embedded.start", start)
    assert PgQueue(f"embedded:{tmp_path}").url == URL
    assert PgQueue("embedded:").url == URL
    assert started == [str(tmp_path), None]


async def test_a_database_without_pgqueue_names_the_command_to_run(empty_database_url: str) -> None:
    app = PgQueue(empty_database_url)
    task = app.task(name="nothing")(lambda: None)
    with pytest.raises(NotMigrated, match=r"(?s)schema 'pgqueue' has no pgqueue of this version .*run `pgqueue migrate`"):
        task.enqueue()
    with pytest.raises(NotMigrated):
        await task.aenqueue()
    with pytest.raises(NotMigrated):
        app.job(1).refresh()
    app.close()
    await app.aclose()


@pytest.mark.parametrize("schema", ["second", 'with "quotes"', "{braces}", "100%", "%s", "Gross und klein"])
def test_an_install_in_another_schema_keeps_its_jobs_to_itself(database_url: str, look: Look, schema: str) -> None:
    assert migrate(database_url, schema)
    assert not migrate(database_url, schema)
    app = PgQueue(database_url, schema=schema)
    job = app.task(name="nothing")(lambda: None).enqueue()
    assert job.status == "ready"
    assert look.live() == 0
    app.close()


def _pyproject(directory: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "pyproject.toml").write_text(text)
    monkeypatch.chdir(directory)


def test_pyproject_beats_the_defaults_and_the_environment_beats_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pyproject(tmp_path, '[tool.pgqueue]\nschema = "jobs"\nlease = 7\npool_size = 8\n', monkeypatch)
    monkeypatch.setenv("PGQUEUE_LEASE", "9")
    settings = PgQueue(URL, pool_size=5).settings
    assert (settings.schema_name, settings.lease, settings.pool_size) == ("jobs", 9, 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.pgqueue]\nlease = 0\n", "lease: 0 is not valid: .* greater than or equal to 1"),
        ("[tool.pgqueue]\nleese = 1\n", "leese: there is no such setting; there are: .*lease"),
        ("[tool.pgqueue\n", "pyproject.toml: "),
    ],
)
def test_what_is_wrong_in_pyproject_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    _pyproject(tmp_path, text, monkeypatch)
    with pytest.raises(ConfigurationError, match=message):
        PgQueue(URL)


def test_a_pyproject_of_others_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pyproject(tmp_path, "[tool.other]\nlease = 0\n", monkeypatch)
    assert PgQueue(URL).settings.lease == 30


def test_the_example_of_an_environment_names_every_setting() -> None:
    example = Path(__file__).parents[2] / ".env.example"
    named = {line.lstrip("# ").partition("=")[0] for line in example.read_text().splitlines() if "=" in line}
    assert named == {f"PGQUEUE_{name.upper()}" for name in names()}


@pytest.mark.parametrize(
    "url", ["mysql://ada:secret@host/db", "postgresql+psycopg://ada:%secret@host/db", "secret", "postgresql://%secret"]
)
@pytest.mark.parametrize("setting", ["database_url", "listen_url", "read_url"])
def test_a_url_that_is_none_is_refused_without_its_password(setting: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{setting}: .* is not valid; use postgresql://") as refused:
        load_settings(**{setting: url})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", [URL, "postgres://host/db", "host=localhost dbname=jobs", "service=jobs", "embedded:", "embedded:/srv/pg"]
)
def test_a_url_may_be_whatever_libpq_reads(url: str) -> None:
    assert load_settings(database_url=url).database_url == SecretStr(url)


def test_settings_that_are_printed_do_not_show_a_password() -> None:
    settings = load_settings(database_url="postgresql://ada:secret@host/db", listen_url="postgresql://ada:secret@host/db")
    assert "secret" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()} {vars(settings)}"
    settings.database_url = "postgresql://ada:hunter2@host/db"  # type: ignore[assignment]  # a text is taken, too
    assert connection_url(settings) == "postgresql://ada:hunter2@host/db"
    assert "hunter2" not in repr(settings)
    with pytest.raises(ValueError, match="listen_url") as refused:
        settings.listen_url = SecretStr("mysql://ada:hunter2@host/db")
    assert "hunter2" not in str(refused.value)


def test_an_embedded_server_whose_directory_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"database_url: embedded: cannot use .*/file/data'"):
        connection_url(load_settings(database_url=f"embedded:{tmp_path / 'file' / 'data'}"))
    with pytest.raises(ConfigurationError, match="database_url: embedded: cannot use "):  # initdb wants an empty directory
        connection_url(load_settings(database_url=f"embedded:{tmp_path}"))
