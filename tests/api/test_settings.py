"""What holds for the whole install, over HTTP."""

import httpx

from pgqueue.api.bodies.settings import SettingsOut
from tests.api.shapes import read
from tests.looking import Look


def test_settings_are_those_of_the_install(look: Look, api: httpx.Client) -> None:
    look.rows("update setting set dead_days = 30, history_days = 14")
    found = read(api.get("/settings"), SettingsOut)
    (stored,) = look.rows("select * from setting")
    assert (found.dead_days, found.history_days) == (30, 14)
    assert found.model_dump() == {name: value for name, value in stored.items() if name != "singleton"}
