"""Charts in a real browser: drawn from their tables, kept up to date, in both themes, and gone with their pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from pgqueue import PgQueue
from tests.client.manual_worker import ManualWorker
from tests.rolled import pass_minutes
from tests.waiting import until

PICTURES = "main [data-chart] canvas"
# The colours of the canvas of a chart, as it is drawn.
COLOURED = """(chart) => {
  const drawn = chart.querySelector("canvas"), canvas = new OffscreenCanvas(drawn.width, drawn.height);
  const copy = canvas.getContext("2d", { willReadFrequently: true });
  copy.drawImage(drawn, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height), found = new Set();
  for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 250) found.add(`${data[at]},${data[at + 1]},${data[at + 2]}`);
  return [...found];
}"""


@pytest.fixture
def some_minutes(app: PgQueue, manual_worker: ManualWorker, connection: psycopg.Connection[Any]) -> None:
    """Jobs have ended in the last minutes, well and not."""

    @app.task
    def send() -> None: ...

    @app.task
    def fail() -> None: ...

    for _ in range(9):
        send.enqueue()
        fail.enqueue()
    manual_worker.run(failing="fail")
    connection.execute("update job set created_at = created_at - interval '3 minutes'")
    pass_minutes(connection)


def test_charts_are_drawn_with_the_colours_of_the_theme(some_minutes: None, page: Page) -> None:
    def is_drawn_with(colour: str) -> None:
        until(lambda: colour in page.locator("#throughput").evaluate(COLOURED), f"{colour} is in the picture")

    page.emulate_media(color_scheme="light")
    page.goto("")
    expect(page.locator(PICTURES)).to_have_count(2)
    is_drawn_with("194,47,47")  # --failed
    page.emulate_media(color_scheme="dark")
    is_drawn_with("255,143,136")
    page.locator("#theme").click()  # light, whatever the system says
    is_drawn_with("194,47,47")
    expect(page.locator(PICTURES)).to_have_count(2)


def test_pointing_at_a_chart_tells_its_figures(some_minutes: None, page: Page) -> None:
    page.goto("?span=15m")
    picture = page.locator("#throughput .u-over")
    box = picture.bounding_box()
    assert box is not None
    failed = page.locator("#throughput .u-legend .u-series", has_text="Failed")
    seen = set()
    for part in range(0, 15):
        picture.hover(position={"x": box["width"] * part / 14 - (0.5 if part == 14 else 0), "y": 40})
        seen.add(failed.locator(".u-value").inner_text())
    assert "0.15/s" in seen  # 9 in a minute


def test_a_live_update_draws_new_figures_into_the_same_picture(
    some_minutes: None, page: Page, connection: psycopg.Connection[Any]
) -> None:
    page.goto("?span=15m")
    page.locator("#throughput canvas").evaluate("(canvas) => { canvas.marked = true; }")
    page.locator("#throughput summary").click()
    picture = page.locator("#throughput canvas")
    before = picture.evaluate("(canvas) => canvas.toDataURL()")
    connection.execute("update metric_all set succeeded = succeeded + 6000 where succeeded > 0")
    page.wait_for_function("() => [...document.querySelectorAll('#throughput [data-value]')].some((td) => td.dataset.value > 9)")
    page.wait_for_function("(before) => document.querySelector('#throughput canvas').toDataURL() !== before", arg=before)
    assert picture.evaluate("(canvas) => canvas.marked") is True
    expect(page.locator("#throughput details")).to_have_attribute("open", "")
    expect(page.locator("#throughput canvas")).to_have_count(1)


def test_a_chart_that_goes_takes_its_picture_and_listeners_along(some_minutes: None, page: Page) -> None:
    page.goto("")
    page.evaluate("""() => {
      window.ended = 0;
      const shown = document.querySelector("#waits");
      const observed = ResizeObserver.prototype.unobserve;
      ResizeObserver.prototype.unobserve = function (element) { window.ended += 1; return observed.call(this, element); };
      shown.remove();
      document.dispatchEvent(new CustomEvent("pgqueue:shown"));
    }""")
    assert page.evaluate("window.ended") == 1
    page.evaluate("document.dispatchEvent(new CustomEvent('pgqueue:shown'))")
    assert page.evaluate("window.ended") == 1
    expect(page.locator(PICTURES)).to_have_count(1)


def test_a_chart_is_as_wide_as_its_panel(some_minutes: None, page: Page) -> None:
    page.goto("")
    wide = page.locator("#throughput canvas").evaluate("(canvas) => canvas.clientWidth")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(f"() => document.querySelector('#throughput canvas').clientWidth < {wide} - 50")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_axis_has_the_hours_of_who_looks(some_minutes: None, page: Page) -> None:
    """The words of the axis are in a canvas; those of the legend are made by the same clock."""
    page.goto("?span=15m")
    zone = page.context.new_cdp_session(page)
    zone.send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kathmandu"})  # 5:45 ahead
    page.reload()
    picture = page.locator("#throughput .u-over")
    picture.hover()
    said = page.locator("#throughput .u-legend .u-series").first.locator(".u-value").inner_text()
    there = datetime.now(UTC) + timedelta(hours=5, minutes=45)
    assert any(f"{there - timedelta(minutes=ago):%H:%M}" in said for ago in range(20)), said


def test_long_names_stay_inside_of_a_narrow_page(app: PgQueue, page: Page) -> None:
    name = "n" * 100
    app.pause(name, reason="r" * 300)

    @app.task(name="t" * 200, queue=name[:90])
    def wait() -> None: ...

    wait.enqueue()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("")
    expect(page.locator("#wrong .notice")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
