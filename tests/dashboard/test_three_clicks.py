"""What somebody who has never seen the dashboard wants of it, from the overview and without documents: three clicks at most."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from pgqueue import PgQueue
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

MOST = 3


class Hand:
    """A mouse that counts its clicks."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, what: Locator) -> None:
        """Click what is seen."""
        what.click()
        self.clicks += 1

    def go(self, name: str) -> None:
        """Click an entry of the navigation."""
        self.click(self.page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True))


@pytest.fixture
def hand(page: Page) -> Iterator[Hand]:
    """A mouse on the page on which everybody begins."""
    hand = Hand(page)
    yield hand
    assert hand.clicks <= MOST


@pytest.fixture
def shop(app: PgQueue, manual_worker: ManualWorker) -> PgQueue:
    """Tenants whose jobs have a limit each; one error has hit five jobs and another one two."""
    app.limits.set("tenant", max_running=5)

    @app.task(name="shop.ask", limits=["tenant:{tenant}"])
    def ask(tenant: str) -> None: ...

    @app.task(name="shop.send")
    def send(n: int) -> None: ...

    for n in range(7):
        send.enqueue(n)
    for n, job in enumerate(manual_worker.claim()):
        type = "CardRefused" if n < 5 else "KeyError"
        error = {"type": type, "types": [type], "message": "no", "traceback": f"{type}: no"}
        manual_worker.finish(job, state="failed", final=True, error=error)
    for tenant in ("acme", "globex", "initech"):
        for _ in range(4):
            ask.enqueue(tenant)
    return app


def carry_on(look: Look) -> None:
    """Do what the operation says that was started last."""
    operation = look.value("select max(id) from operations")
    while look.value("select carry_on_operations(only_id => %s)", operation) is not None:
        pass


def test_why_a_job_does_not_run(shop: PgQueue, look: Look, hand: Hand) -> None:
    shop.pause(queue="default", reason="we move house", by="ann")
    job = look.value("select min(id) from jobs where task = 'shop.ask'")
    hand.page.goto("")
    hand.click(hand.page.get_by_placeholder("Job number"))
    hand.page.keyboard.type(str(job))
    hand.click(hand.page.get_by_role("button", name="Find"))
    expect(hand.page.locator("h1")).to_contain_text(f"Job {job}")
    expect(hand.page.locator("#why li.first")).to_contain_text("paused")
    expect(hand.page.locator("#why")).to_contain_text("we move house")


def test_why_a_job_does_not_run_by_the_keyboard_alone(shop: PgQueue, look: Look, hand: Hand) -> None:
    job = look.value("select min(id) from jobs where task = 'shop.ask'")
    hand.page.goto("")
    hand.page.keyboard.press("/")
    hand.page.keyboard.type(str(job))
    hand.page.keyboard.press("Enter")
    expect(hand.page.locator("#why li.first")).to_contain_text("worker")


def test_the_error_that_hits_most_jobs_and_all_of_its_jobs_again(shop: PgQueue, look: Look, hand: Hand) -> None:
    hand.page.goto("")
    hand.go("Dead letters")
    most = hand.page.locator("tr[id^=group-]").first
    expect(most).to_contain_text("CardRefused")
    hand.click(most.get_by_text("Retry all…"))
    hand.click(most.get_by_role("button", name="Retry 5 dead letters"))
    expect(hand.page.locator("h1")).to_contain_text("Operation")
    carry_on(look)
    assert look.rows("select distinct error_type as left from dead_letters") == [{"left": "KeyError"}]
    expect(hand.page.locator("main")).to_contain_text("5")


def test_a_tenant_is_stopped_by_its_key(shop: PgQueue, manual_worker: ManualWorker, hand: Hand) -> None:
    hand.page.goto("")
    hand.go("Limits")
    row = hand.page.locator("tr", has=hand.page.get_by_role("link", name="tenant:globex", exact=True))
    hand.click(row.get_by_text("Park…"))
    hand.click(row.get_by_role("button", name="Park", exact=True))
    expect(row.locator(".state")).to_have_text("parked")
    assert {job["args"]["tenant"] for job in manual_worker.claim()} == {"acme", "initech"}


def test_a_tenant_whose_jobs_have_no_limit_is_stopped_by_its_arguments(shop: PgQueue, look: Look, hand: Hand) -> None:
    hand.page.goto("")
    hand.page.keyboard.press("/")
    hand.page.keyboard.type("args.tenant:globex state:ready")
    hand.page.keyboard.press("Enter")
    hand.click(hand.page.get_by_label("all that match"))
    hand.click(hand.page.get_by_role("button", name="Cancel…"))
    hand.page.keyboard.type("they have left us")  # the field of the reason has the focus
    hand.click(hand.page.get_by_role("button", name="Cancel 4 jobs"))
    expect(hand.page.locator("h1")).to_contain_text("Operation")
    carry_on(look)
    left = look.rows("select args ->> 'tenant' as tenant from jobs where task = 'shop.ask' and state = 'ready'")
    assert {row["tenant"] for row in left} == {"acme", "initech"}
