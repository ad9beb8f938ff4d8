"""docs/api-reference.md is what the endpoints say."""

from pgqueue.api.routes import ALL
from pgqueue.api.routes.capabilities import FEATURES
from tests.api.reference import FILE, reference


def test_the_reference_is_up_to_date() -> None:
    assert FILE.read_text() == reference(), "write it anew: python -m tests.api.reference"


def test_the_features_are_the_nouns_of_the_document() -> None:
    assert set(FEATURES) == {tag for endpoint in ALL for tag in endpoint.options["tags"]}
