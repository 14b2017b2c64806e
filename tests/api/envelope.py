"""The envelope of a failure, as every route answers it."""

from __future__ import annotations

from typing import Any


def details_of(status: int, body: dict[str, Any], expected: tuple[int, str]) -> dict[str, Any]:
    """Check the envelope of a failure (status and code as ``expected``) and give its details."""
    assert (status, body["success"], body["error"]) == (expected[0], False, expected[1]), body
    assert body["message"].endswith((".", "`")) or ": " in body["message"], body["message"]
    assert "Traceback" not in body["message"]
    assert set(body) <= {"success", "error", "message", "details"}
    details: dict[str, Any] = body.get("details", {})
    return details


def fields(details: dict[str, Any]) -> list[str]:
    """Give the names of the fields that the details complain of."""
    return [error["field"] for error in details["errors"]]
