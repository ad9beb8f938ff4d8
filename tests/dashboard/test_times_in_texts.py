"""Times in texts of checks and of the audit log are shown as the pages show all times."""

from datetime import UTC, datetime, timedelta

from pgqueue.dashboard.render import timed


def test_a_time_in_a_text_is_said_as_an_age() -> None:
    at = datetime.now(UTC) - timedelta(seconds=67)
    said = str(timed(f"<b> waits since {at.isoformat()}; look"))
    assert said.startswith("&lt;b&gt; waits since <time datetime=")
    assert said.endswith(">67 s ago</time>; look")


def test_what_only_looks_like_a_time_stays_as_it_is() -> None:
    assert str(timed("2026-99-01T07:32:50+00:00 x")) == "2026-99-01T07:32:50+00:00 x"


def test_a_long_text_is_cut_and_a_time_is_not() -> None:
    assert str(timed("x" * 40, 24)) == "x" * 23 + "…"
    assert "</time>" in timed("2026-12-01T07:32:50.889969+00:00", 24)
