"""Saved connections: private, atomic, and careful with what this version does not know."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from runicorn_jupyter.errors import InternalError, InvalidParameters
from runicorn_jupyter.models import Profile
from runicorn_jupyter.service import profile_store as module
from runicorn_jupyter.service.profile_store import Profiles


@pytest.fixture
def saved(tmp_path: Path) -> Profiles:
    return Profiles(tmp_path / "runicorn" / "profiles.json")


def test_they_lie_in_jupyters_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    Profiles().save(Profile(name="gpu", host="gpu1"))
    path = tmp_path / "data" / "runicorn" / "profiles.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_saving_replacing_listing_deleting(saved: Profiles) -> None:
    assert saved.list() == []
    full = Profile(
        name="训练",
        host="gpu1",
        username="alice",
        port=2222,
        auth_method="agent",
        private_key_path="~/.ssh/key",
        timeout=10.0,
        env_name="torch",
        remote_root="~/runs",
    )
    saved.save(full)
    saved.save(Profile(name="b", host="old"))
    saved.save(Profile(name="B", host="other"))
    saved.save(Profile(name="b", host="new"))
    assert [(each.name, each.host) for each in saved.list()] == [
        ("B", "other"),
        ("b", "new"),
        ("训练", "gpu1"),
    ]
    assert saved.list()[-1] == full
    assert saved.delete("b")
    assert not saved.delete("b")
    assert [each.name for each in saved.list()] == ["B", "训练"]


def test_adding_replaces_none_and_is_all_or_nothing(saved: Profiles, monkeypatch: pytest.MonkeyPatch) -> None:
    saved.save(Profile(name="gpu1", host="gpu1", username="alice"))
    gpu2 = Profile(name="gpu2", host="gpu2")
    assert saved.add([Profile(name="gpu1", host="gpu1"), gpu2, gpu2]) == [gpu2]
    assert [(each.name, each.username) for each in saved.list()] == [("gpu1", "alice"), ("gpu2", None)]
    assert saved.add([gpu2]) == []
    monkeypatch.setattr(module, "MAX_PROFILES", 3)
    with pytest.raises(InvalidParameters, match="3 connections are saved"):
        saved.add([Profile(name=name, host=name) for name in ("a", "b")])
    assert len(saved.list()) == 2


def test_a_secret_has_no_place_to_be(saved: Profiles, tmp_path: Path) -> None:
    for field in ("password", "key_passphrase"):
        with pytest.raises(ValidationError):
            Profile.model_validate({"name": "gpu", "host": "gpu1", field: "s3cret"})


def test_entries_that_are_not_understood_are_left_out_and_kept(
    saved: Profiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "runicorn" / "profiles.json"
    path.parent.mkdir()
    strange = [
        {"name": "edited", "host": "gpu1", "password": "s3cret"},
        {"name": "later", "shape": 7},
        "text",
        None,
    ]
    document = {
        "version": 1,
        "profiles": [*strange, {"name": "ok", "host": "gpu2"}],
        "last": "?",
        "theme": "dark",
    }
    path.write_text(json.dumps(document))
    assert [each.name for each in saved.list()] == ["ok"]
    assert "edited" in caplog.text
    assert "s3cret" not in caplog.text
    saved.save(Profile(name="new", host="gpu3"))
    written = json.loads(path.read_text())
    assert written["profiles"][:4] == strange
    assert written["theme"] == "dark"


@pytest.mark.parametrize("text", ["{", "[]", "", "\x00\xff", '{"version": 1, "profiles": {}}'])
def test_a_damaged_file_counts_as_empty_and_is_not_lost(saved: Profiles, tmp_path: Path, text: str) -> None:
    path = tmp_path / "runicorn" / "profiles.json"
    path.parent.mkdir()
    path.write_text(text)
    assert saved.list() == []
    assert saved.recent() == []
    saved.save(Profile(name="new", host="gpu1"))
    assert [each.name for each in saved.list()] == ["new"]
    broken = path.with_name("profiles.broken.json")
    try:
        json.loads(text or "null")
    except ValueError:
        assert broken.read_text() == text
    else:
        assert not broken.exists()


def test_a_later_version_is_read_and_never_written(saved: Profiles, tmp_path: Path) -> None:
    path = tmp_path / "runicorn" / "profiles.json"
    path.parent.mkdir()
    text = json.dumps({"version": 2, "profiles": [{"name": "gpu", "host": "gpu1"}]})
    path.write_text(text)
    assert [each.name for each in saved.list()] == ["gpu"]
    for write in (
        lambda: saved.save(Profile(name="new", host="x")),
        lambda: saved.delete("gpu"),
        lambda: saved.remember(host="gpu1", username="a", env_name="e", remote_root=None),
    ):
        with pytest.raises(InternalError, match="later version"):
            write()
    assert path.read_text() == text


def test_the_last_choice_of_each_host_the_latest_first(
    saved: Profiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 3)
    saved.save(Profile(name="gpu", host="gpu1"))
    for host, user, environment in [
        ("gpu1", "alice", "old"),
        ("gpu2", "alice", "torch"),
        ("gpu1", "bob", "jax"),
        ("gpu1", "alice", "new"),
    ]:
        saved.remember(host=host, username=user, env_name=environment, remote_root="/runs")
    choices = [(each.host, each.username, each.env_name) for each in saved.recent()]
    assert choices == [("gpu1", "alice", "new"), ("gpu1", "bob", "jax"), ("gpu2", "alice", "torch")]
    saved.remember(host="gpu3", username="alice", env_name="x", remote_root=None)
    assert [each.host for each in saved.recent()] == ["gpu3", "gpu1", "gpu1"]
    assert [each.name for each in saved.list()] == ["gpu"]


def test_there_is_an_end_to_it(saved: Profiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PROFILES", 2)
    for name in "ab":
        saved.save(Profile(name=name, host="gpu"))
    with pytest.raises(InvalidParameters, match="2 connections are saved"):
        saved.save(Profile(name="c", host="gpu"))
    saved.save(Profile(name="b", host="replaced"))


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "profiles.json", tmp_path):
        with pytest.raises(InternalError, match="cannot be"):
            Profiles(path).save(Profile(name="a", host="gpu"))


def test_several_servers_do_not_lose_each_others_connections(saved: Profiles, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from runicorn_jupyter.models import Profile\n"
        "from runicorn_jupyter.service.profile_store import Profiles\n"
        "for n in range(15): Profiles(Path(sys.argv[1])).save(Profile(name=f'{sys.argv[2]}{n}', host='gpu'))"
    )
    path = str(tmp_path / "runicorn" / "profiles.json")
    others = [subprocess.Popen([sys.executable, "-c", code, path, who]) for who in ("x", "y")]
    for number in range(15):
        saved.save(Profile(name=f"z{number}", host="gpu"))
    assert [other.wait(60) for other in others] == [0, 0]
    assert len(saved.list()) == 45
