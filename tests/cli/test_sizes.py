"""Sizes on the command line."""

import pytest

from pgqueue.cli.sizes import read_size
from pgqueue.errors import ConfigurationError


@pytest.mark.parametrize("text", ["9" * 400, "9" * 10_000 + "GB", "9" * 30, "x" * 10_000, "512", "0.9MB", "", "nan", "-1"])
def test_a_size_that_is_none_is_refused_by_name_and_shortly(text: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"max_memory: .* is not valid; use a size of 1MB or more with its unit"
    ) as refused:
        read_size("max_memory", text)
    assert len(str(refused.value)) < 300


def test_a_size_is_a_number_of_bytes() -> None:
    sizes = (None, "1MB", "1.5 mb", "512MB", "1GiB", "1000000")
    assert [read_size("max_memory", text) for text in sizes] == [None, 10**6, 1_500_000, 512_000_000, 2**30, 10**6]
