"""The line in a cell that says how far a list of runs is."""

from __future__ import annotations

import pytest

from runicorn_jupyter.notebook.progress import Line, reading_text


def test_hosts_and_how_many_runs_there_are_so_far() -> None:
    servers = [{"host": "gpu1", "total": 26}, {"host": "gpu2", "total": 3}, {"host": "gpu1", "total": 1}]
    assert reading_text(servers) == "reading 30 on gpu1, gpu2 …"


def test_a_line_that_is_not_used_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Line("Runs"):
        pass
    assert capsys.readouterr().out == ""


def test_a_line_says_what_is_done_and_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with Line("Runs") as line:
        line.show("reading 26 on gpu1 …")
        line.show("reading 90 on gpu1 …")
    first, second, last = capsys.readouterr().out.splitlines()
    assert (first, second) == ("Runs: reading 26 on gpu1 …", "Runs: reading 90 on gpu1 …")
    assert last.startswith("Runs: done in ")


def test_a_line_says_that_it_was_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with Line("Runs") as line:
            line.show("reading 1 on gpu1 …")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert capsys.readouterr().out.splitlines()[-1] == "Runs: interrupted"
