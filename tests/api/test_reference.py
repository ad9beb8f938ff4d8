"""docs/api-reference.md is what the endpoints say."""

from tests.api.reference import FILE, reference


def test_the_reference_is_up_to_date() -> None:
    assert FILE.read_text() == reference(), "write it anew: python -m tests.api.reference"
