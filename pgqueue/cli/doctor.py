"""pgqueue doctor, pgqueue maintain."""

import textwrap
from collections import Counter
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from .._text import harmless
from ..app import PgQueue
from ..database.calls import doctor as calls
from ..doctor import Examination, Finding, examine
from ..doctor.vacuum import vacuum as remove_dead_rows
from .options import AsJson, DatabaseUrl, Schema
from .output import console, print_json, say
from .secrets import safe
from .session import Session

MOST = 5  # findings of one name that are shown to people
STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def doctor(
    app: Annotated[
        str | None, typer.Argument(metavar="[MODULE:APP]", help="Location of the PgQueue object: its tasks are checked too.")
    ] = None,
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Examine the install: what is wrong, what follows from it, and what mends it. Nothing is changed.

    Exit code 0: all is well, or there are only notes; 1: there are warnings; 2: there are errors.
    """
    examination = examine(_app(app, database_url, schema))
    if as_json:
        print_json(as_object(examination))
    else:
        print_examination(examination)
    raise typer.Exit(examination.exit_code)


def _app(target: str | None, database_url: str | None, schema: str | None) -> PgQueue:
    if target is None:
        return PgQueue(database_url, schema=schema)
    from ..worker import WorkerOptions  # loads the worker, which nothing else here needs
    from ..worker.launch import Launch, load_app

    return load_app(Launch(target, WorkerOptions(), database_url, schema))


def as_object(examination: Examination) -> dict[str, Any]:
    """What was found, for programs."""
    findings = [finding._asdict() for finding in examination.findings]
    return {"checks": examination.checks, "exit_code": examination.exit_code, "findings": findings}


def print_examination(examination: Examination) -> None:
    """Print what was found, for people."""
    out = console()
    told = Counter[str]()
    for finding in examination.findings:
        told[finding.name] += 1
        if told[finding.name] > MOST:
            continue
        out.print(Text.assemble((finding.severity.upper(), STYLES[finding.severity]), "  ", (finding.name, "bold")))
        for line, style in _lines(finding):
            out.print(Padding(Text(line, style), (0, 0, 0, 2), expand=False))
        for line in _in_lines(f"do: {finding.remedy}", out.width - 2):
            out.print(Text(f"  {harmless(line)}", "green"), soft_wrap=True)
        out.print()
    for name, count in told.items():
        if count > MOST:
            out.print(f"and {count - MOST} more of {name}: see --json")
    out.print(_sum(examination), soft_wrap=True)


def _lines(finding: Finding) -> list[tuple[str, str]]:
    return [(safe(finding.problem), ""), (f"so: {safe(finding.consequence)}", "dim")]


def _in_lines(remedy: str, width: int) -> list[str]:
    """A remedy in lines that can be pasted: no word, and no comment at its end, is divided."""
    statement, dashes, comment = remedy.partition(" -- ")
    whole = dashes.replace(" ", "\0") + comment.replace(" ", "\0")
    lines = (statement + whole.replace("\0", " ", 1)).splitlines()
    wrapped = (textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) for line in lines)
    return [line.replace("\0", " ") for some in wrapped for line in some]


def _sum(examination: Examination) -> str:
    if not examination.findings:
        return f"{examination.checks} checks, all well"
    counts = {name: sum(one.severity == name for one in examination.findings) for name in STYLES}
    found = ", ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count)
    return f"{examination.checks} checks: {found}"


def maintain(
    database_url: DatabaseUrl = None,
    schema: Schema = None,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="Also vacuum and analyze all tables of pgqueue; only their owner may.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the partitions of the coming week and prune, as workers do each minute; with --vacuum remove dead rows as well."""
    with Session(database_url, schema) as database:
        maintained = database.run(calls.maintain())
    tables = remove_dead_rows(PgQueue(database_url, schema=schema)) if vacuum else []
    if as_json:
        print_json({"maintained": maintained, "vacuumed": tables})
    else:
        say("maintained" if maintained else "another session maintains")
        if vacuum:
            say(f"{len(tables)} tables vacuumed")
