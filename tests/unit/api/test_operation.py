"""What the route table says of an operation."""

from __future__ import annotations

from runicorn_jupyter.api.routes import OPERATIONS


def test_whatever_waits_for_a_change_ends_with_its_client() -> None:
    """Else a page that is gone would have a remote looked at for a minute more."""
    waiting = [each for each in OPERATIONS if each.request and "wait" in each.request.model_fields]
    assert {each.path for each in waiting} >= {"runs", "machines"}
    assert [each.path for each in waiting if not each.ends_with_client] == []
