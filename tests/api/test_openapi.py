"""Every endpoint answers what its document says, whatever is asked: no 500, no status or body that is not documented (A19)."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from pgqueue import PgQueue
from pgqueue.api import create_app
from tests.api.serving import served
from tests.api.stock import stock
from tests.conftest import TEST_LEASE
from tests.postgres import new_database

# The document cannot say all that a value must be (a time, an id that exists, a state that allows a verb), so a request that
# fits it may still be refused; and unknown query parameters are ignored. What is checked is what comes back.
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SEED = 20261130
EXAMPLES = 12
STREAMS = "/events"  # they do not end

# The server is in this process and draws random numbers of its own, which Hypothesis would take for those of a strategy.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")

schema = schemathesis.openapi.from_dict(create_app(PgQueue("postgresql://localhost/none")).openapi())
OPERATIONS = {
    operation.ok().label: operation.ok()
    for operation in schema.get_all_operations()
    if isinstance(operation, Ok) and not operation.ok().path.endswith(STREAMS)
}


@pytest.fixture(scope="module")
def stocked_url(server_url: str, template: str) -> Iterator[str]:
    """The URL of an API whose database has one of everything."""
    with new_database(server_url, template) as url:
        app = PgQueue(url, lease=TEST_LEASE)
        stock(app)
        with served(create_app(app)) as base_url:
            yield base_url
        app.close()


# Hypothesis takes what the thread of the server draws at random, such as how long upkeep waits, for draws of a strategy.
@pytest.mark.parametrize("label", OPERATIONS)
def test_an_endpoint_answers_what_its_document_says(label: str, stocked_url: str) -> None:
    """The seed is printed when a test fails, with the request as a curl command."""

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate]
    )
    @given(case=OPERATIONS[label].as_strategy())
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=stocked_url, checks=CHECKS, timeout=40)

    check()
