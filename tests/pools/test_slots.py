"""What an agent does with its slots: a crew that only notes what is asked of it stands in for processes."""

import asyncio
from typing import Any, cast

import pytest

from pgqueue.database.calls.agents import Slot, Turn
from pgqueue.errors import ConfigurationError
from pgqueue.pools.options import AgentOptions
from pgqueue.pools.slots import Slots
from pgqueue.supervisor.crew import Crew
from pgqueue.supervisor.view import View
from pgqueue.worker.launch import REFUSED, Launch
from pgqueue.worker.status import Status

OPTIONS = AgentOptions("mail", 4, "one", grace=7)


def view(pid: int | None = 1, leaving: int = 0, failures: int = 0, last_error: str | None = None) -> View:
    return View(pid, Status("ready") if pid else None, 0, 1.0, leaving, failures, last_error)


class Notes:
    """A crew that notes what is asked of it.

    Attributes:
        asked: what was asked.
        views: what runs in its places.
        rolling: the rolls under way.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.views: dict[int, View] = {}
        self.rolling: list[asyncio.Future[bool]] = []

    def fill(self, number: int, launch: Launch) -> None:
        self.asked.append(("fill", number, launch.options.about["generation"]))
        self.views[number] = view()

    def leave(self, number: int, how: str) -> None:
        self.asked.append(("leave", number, how))

    def roll(self, number: int, launch: Launch) -> "asyncio.Future[bool]":
        self.asked.append(("roll", number, launch.options.about["generation"]))
        self.rolling.append(asyncio.get_running_loop().create_future())
        return self.rolling[-1]

    def places(self) -> dict[int, View]:
        return self.views

    def taken(self) -> list[tuple[Any, ...]]:
        """What was asked since the last call."""
        asked, self.asked = self.asked, []
        return asked


@pytest.fixture
def crew() -> Notes:
    return Notes()


@pytest.fixture
def slots(crew: Notes) -> Slots:
    slots = Slots(OPTIONS.launch)
    slots.begin(cast(Crew, crew))
    return slots


def told(*slots: Slot) -> Turn:
    return Turn("shop.jobs:app", ("mail=3", "default"), 20, False, False, None, False, slots)


def test_a_worker_is_started_as_the_pool_says() -> None:
    launch = OPTIONS.launch(told(), Slot(3, 2))

    assert launch.target == "shop.jobs:app"
    options = launch.options
    assert (options.queues, options.concurrency, options.grace) == ((("mail", 3.0), ("default", 1.0)), 20, 7)
    assert (options.name, options.about) == ("one-3", {"pool": "mail", "slot": 3, "generation": 2})


def test_what_is_told_again_is_done_once(slots: Slots, crew: Notes) -> None:
    for _ in range(2):
        slots.obey(told(Slot(1, 1), Slot(2, 1, "drain")))

    assert crew.taken() == [("fill", 1, 1), ("leave", 2, "drain")]


def test_a_slot_is_left_gently_and_then_at_once_and_not_the_other_way_round(slots: Slots, crew: Notes) -> None:
    for how in ("drain", "now", "drain"):
        slots.obey(told(Slot(1, 1, how)))

    assert crew.taken() == [("leave", 1, "drain"), ("leave", 1, "now")]


def test_a_slot_that_it_does_not_hold_any_more_is_left(slots: Slots, crew: Notes) -> None:
    slots.obey(told(Slot(1, 1)))
    slots.obey(told())

    assert crew.taken() == [("fill", 1, 1), ("leave", 1, "drain")]


def test_a_slot_that_comes_back_is_filled_while_its_old_worker_ends(slots: Slots, crew: Notes) -> None:
    slots.obey(told(Slot(1, 1)))
    slots.drop()
    crew.views[1] = view(pid=None, leaving=1)
    assert slots.occupied() == 1

    slots.obey(told(Slot(1, 1)))
    slots.drop()

    assert crew.taken() == [("fill", 1, 1), ("leave", 1, "drain")] * 2


def test_a_slot_has_ended_when_nothing_runs_in_it(slots: Slots, crew: Notes) -> None:
    slots.obey(told(Slot(1, 1)))
    slots.obey(told(Slot(1, 1, "drain")))
    crew.views[1] = view(pid=None, leaving=1)
    assert slots.ended() == []
    assert slots.occupied() == 0

    del crew.views[1]

    assert slots.ended() == [1]


def test_processes_of_a_roll_need_their_place_until_they_have_ended(slots: Slots, crew: Notes) -> None:
    slots.obey(told(Slot(1, 1)))
    crew.views[1] = view(leaving=2)

    assert slots.occupied() == 2


async def test_a_new_generation_rolls_and_is_tried_again_if_it_cannot_start(slots: Slots, crew: Notes) -> None:
    slots.obey(told(Slot(1, 1)))
    for _ in range(2):
        slots.obey(told(Slot(1, 2)))
    assert crew.taken() == [("fill", 1, 1), ("roll", 1, 2)]

    crew.rolling[0].set_result(False)
    await asyncio.sleep(0)
    slots.obey(told(Slot(1, 2)))
    assert crew.taken() == [("roll", 1, 2)]

    crew.rolling[1].set_result(True)
    await asyncio.sleep(0)
    slots.obey(told(Slot(1, 2)))
    assert crew.taken() == []


async def test_a_roll_that_was_overtaken_says_nothing(slots: Slots, crew: Notes) -> None:
    slots.obey(told(Slot(1, 1)))
    slots.obey(told(Slot(1, 2)))
    slots.obey(told(Slot(1, 3)))
    crew.rolling[0].set_result(False)
    await asyncio.sleep(0)
    crew.taken()

    slots.obey(told(Slot(1, 3)))

    assert crew.taken() == []


async def test_rolling_here_replaces_all(slots: Slots, crew: Notes) -> None:
    slots.obey(told(Slot(1, 1), Slot(2, 1)))
    crew.taken()

    slots.roll_all()
    slots.obey(told(Slot(1, 1), Slot(2, 1)))

    assert crew.taken() == [("roll", 1, 1), ("roll", 2, 1)]


def test_a_worker_that_cannot_work_is_started_again_later(slots: Slots, crew: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("pgqueue.pools.slots.time.monotonic", lambda: now)
    slots.obey(told(Slot(1, 1)))
    for wait in (5, 10, 20, 40, 60, 60):
        crew.taken()
        crew.views[1] = view(pid=None, last_error="there is no module 'shop'")
        slots.gone(1, REFUSED)
        assert slots.trouble() == "slot 1: there is no module 'shop'"
        assert slots.retry_in() == wait
        now += wait - 1
        slots.obey(told(Slot(1, 1)))
        assert crew.taken() == []
        now += 1
        slots.obey(told(Slot(1, 1)))
        assert crew.taken() == [("fill", 1, 1)]


@pytest.mark.parametrize("how", ["told", "dropped"])
def test_a_slot_that_is_gone_is_not_tried_again(slots: Slots, crew: Notes, how: str) -> None:
    """Else the agent would make turns without a pause, and complain for ever of a slot that others hold."""
    slots.obey(told(Slot(1, 1)))
    slots.gone(1, REFUSED)
    if how == "dropped":
        slots.drop()
    else:
        slots.obey(told(Slot(2, 1)))
    assert slots.retry_in() == float("inf")
    assert slots.trouble() is None


def test_a_worker_that_was_told_to_drain_is_followed_by_another(slots: Slots, crew: Notes) -> None:
    slots.obey(told(Slot(1, 1)))
    crew.taken()

    slots.gone(1, 0)
    slots.obey(told(Slot(1, 1)))

    assert crew.taken() == [("fill", 1, 1)]
    assert slots.trouble() is None


def test_one_failure_is_no_trouble_and_two_in_a_row_are(slots: Slots, crew: Notes) -> None:
    slots.obey(told(Slot(1, 1)))
    crew.views[1] = view(failures=1, last_error="signal SIGKILL")
    assert slots.trouble() is None

    crew.views[1] = view(failures=2, last_error="exit code 1")

    assert slots.trouble() == "slot 1: exit code 1"


def test_all_that_runs_is_stopped_at_once(slots: Slots, crew: Notes) -> None:
    slots.obey(told(Slot(1, 1), Slot(2, 1)))
    slots.obey(told(Slot(1, 1), Slot(2, 1, "drain")))
    crew.taken()

    slots.stop()

    assert crew.taken() == [("leave", 1, "now"), ("leave", 2, "now")]


@pytest.mark.parametrize(
    ("field", "options"),
    [("pool", {"pool": "a b"}), ("pool", {"pool": ""}), ("slots", {"slots": 0}), ("slots", {"slots": 1001}),
     ("grace", {"grace": -1}), ("grace", {"grace": float("nan")}), ("name", {"name": " "}), ("name", {"name": "x" * 201})],
)  # fmt: skip
def test_what_no_agent_can_do_is_refused(field: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        AgentOptions(**{"pool": "mail", "slots": 1, "name": "one", **options})


@pytest.mark.parametrize(("mine", "its"), [(None, "shop:app"), ("shop:app", "shop:app"), ("shop", "shop:app")])
def test_an_app_may_be_named_as_for_a_worker(mine: str | None, its: str) -> None:
    AgentOptions("mail", 1, "one", mine).check_app(its)


def test_another_app_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the pool mail runs shop:app, and this agent only other:app"):
        AgentOptions("mail", 1, "one", "other").check_app("shop:app")
