"""docs/alembic.md is executed: an application with its own Alembic, from its files and commands."""

import re
import sys
from pathlib import Path

import psycopg
import pytest
from alembic.config import main
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL

GUIDE = Path(__file__).parents[2] / "docs" / "alembic.md"
BLOCK = re.compile(r"^```python\n# (?P<file>\S+)\n(?P<code>.*?)^```$|^```sh\n(?P<commands>.*?)^```$", re.M | re.S)


@pytest.fixture
def home(tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the application, in which its commands run."""
    parts = conninfo_to_dict(empty_database_url)
    url = URL.create("postgresql+psycopg", database=str(parts.pop("dbname")), query={k: str(v) for k, v in parts.items()})
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "models", raising=False)
    main(["init", "migrations"])
    return tmp_path


def test_the_guide_to_alembic_does_what_it_says(home: Path, empty_database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    seen, said = [], ""
    for block in BLOCK.finditer(GUIDE.read_text()):
        if block["file"]:
            (home / block["file"]).write_text(block["code"])
            continue
        for line in block["commands"].splitlines():
            capsys.readouterr()
            main(line.split()[1:])
            said = capsys.readouterr().out
            seen.append(line)
    assert len(seen) == 8
    (made,) = home.glob("migrations/versions/b2_*.py")
    assert re.findall(r"op\.(\w+)\(\s*'(\w+)'", made.read_text()) == [("create_table", "orders"), ("drop_table", "orders")]
    assert said.count("create table job (") == 1, "the SQL of pgqueue, once although two revisions call it"
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select pgqueue.enqueue('mail') is not null").fetchone() == (True,)
        assert connection.execute("select version_num from alembic_version").fetchone() == ("c3",)
        assert connection.execute("select version_num from pgqueue.schema_version").fetchone() == ("0001",)
