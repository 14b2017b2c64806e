"""Requests made from openapi.json, good and bad, to a real server: every answer is one that the document has.

``RUNICORN_FUZZ_EXAMPLES`` says how many of them each route gets; ``make fuzz`` sets it high.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.world.jupyter import JupyterServer, start_jupyter

EXAMPLES = int(os.environ.get("RUNICORN_FUZZ_EXAMPLES", "6"))
ROUTES = 25

# 503 is the contract's word for a remote that cannot be reached; and a body of the right form may still name
# a key file that is not there, or a host key that nobody offered (400). A 500 is looked for besides.
EXCLUDED = [not_a_server_error, positive_data_acceptance]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server of its own: what is made up here is saved there."""
    made = start_jupyter(tmp_path_factory.mktemp("fuzzed"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def schema(server: JupyterServer) -> Any:
    """The document, as the running server gives it."""
    answer = server.get("openapi.json")
    assert answer.status_code == 200
    loaded = schemathesis.openapi.from_dict(answer.json())
    loaded.config.update(base_url=f"{server.url}api/remote")
    return loaded


def fuzz(operation: Any, headers: dict[str, str]) -> None:
    """Ask one route, and judge each answer."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def ask(case: Any) -> None:
        if operation.label == "POST /connect" and isinstance(case.body, dict) and "host" in case.body:
            case.body.update(host="127.0.0.1", port=1)  # nothing of this test goes anywhere else
        answer = case.call(headers=headers, timeout=30)
        assert answer.status_code != 500, answer.text
        case.validate_response(answer, headers=headers, excluded_checks=EXCLUDED)

    ask()


def test_every_answer_is_one_that_the_document_has(schema: Any, server: JupyterServer) -> None:
    """Status, content type, schema, that wrong requests are refused, and that the token is needed."""
    headers = {"Authorization": f"token {server.token}"}
    failed, tried = {}, []
    for result in schema.get_all_operations():
        operation = result.ok()
        tried.append(operation.label)
        try:
            fuzz(operation, headers)
        except (FailureGroup, AssertionError) as failure:
            failed[operation.label] = str(failure)[:1500]
    assert failed == {}
    assert len(tried) >= ROUTES
