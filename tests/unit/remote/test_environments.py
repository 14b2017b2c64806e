"""Names, order, versions and roots of environments: what the API says of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.errors import EnvironmentNotFound
from runicorn_jupyter.models import Environment
from runicorn_jupyter.remote.environments import Distribution, Found, conda_variables, find, list_environments

HOME = "/home/ann"


def found(kind: str, path: str, **values: object) -> Found:
    made = Found(kind, path, str(values.pop("prefix", path)), str(values.pop("python", "bin/python")))
    for name, value in values.items():
        setattr(made, name, value)
    return made


def runicorn(minor: str = "3.11", version: str = "0.7.2", *, present: bool = True) -> Distribution:
    return Distribution(f"lib/python{minor}/site-packages/runicorn-{version}.dist-info", present)


def names(*everything: Found) -> list[str]:
    return [one.name for one in list_environments(everything, home=HOME)]


def test_order_and_names_are_the_apis() -> None:
    everything = [
        found("system", "/usr", python="bin/python3.11", version="3.11"),
        found("pyenv", f"{HOME}/.pyenv/versions/3.11.7"),
        found("mise", f"{HOME}/.local/share/mise/installs/python/3", prefix="/mise/3.12.1"),
        found("project", f"{HOME}/work/vision/.venv"),
        found("venv", f"{HOME}/.virtualenvs/zeta"),
        found("venv", f"{HOME}/.virtualenvs/alpha"),
        found("venv", "/opt/venv"),
        found("venv", f"{HOME}/.venv"),
        found("venv", f"{HOME}/code/nlp/venv"),
        found("conda", "/opt/conda/envs/torch"),
        found("base", "/opt/conda"),
    ]
    expected = [
        ("base", "conda"),
        ("torch", "conda"),
        (".venv", "venv"),
        ("alpha", "venv"),
        ("venv", "venv"),
        ("zeta", "venv"),
        ("nlp/venv", "venv"),
        ("vision/.venv", "venv"),
        ("mise:3.12.1", "pyenv"),
        ("pyenv:3.11.7", "pyenv"),
        ("system:3.11", "system"),
    ]
    assert [(one.name, one.type) for one in list_environments(everything, home=HOME)] == expected
    assert [(one.name, one.type) for one in list_environments(everything[::-1], home=HOME)] == expected


def test_no_name_is_the_path_of_another() -> None:
    everything = [found("project", "/a", prefix="/b/c"), found("venv", "/a")]
    assert names(*everything) == ["a", "a @/b/c"]
    listed = list_environments(everything, home=HOME)
    assert find(listed, "/a").prefix == "/a"


def test_a_name_that_collides_says_where_it_is() -> None:
    everything = [found("base", "/opt/conda"), found("base", f"{HOME}/miniconda3"), found("venv", "/x/base")]
    assert names(*everything) == ["base", "base @/opt/conda", "base @/x/base"]


def test_one_prefix_is_one_environment() -> None:
    twice = [
        found("conda", "/opt/conda/envs/a"),
        found("conda", "/data/link-to-a", prefix="/opt/conda/envs/a"),
        found("venv", "/y", prefix="/opt/conda/envs/a"),
    ]
    assert names(*twice) == ["link-to-a"]


def test_pythons_of_a_system_share_their_prefix() -> None:
    two = [found("system", "/usr", python=f"bin/python{v}", version=v) for v in ("3.9", "3.11")]
    assert names(*two) == ["system:3.11", "system:3.9"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("3.11.2", "3.11.2"),
        ("3.11.7.final.0", "3.11.7"),
        ("3.11.7-h955ad1f_0.json", "3.11.7"),
        ("3.13.0rc1", "3.13.0"),
        ("3.12", "3.12"),
        ("", "3.10"),
        ("nonsense", "3.10"),
    ],
)
def test_python_versions(said: str, expected: str) -> None:
    (one,) = list_environments([found("venv", "/v/a", version=said, minors=("3.10",))], home=HOME)
    assert one.python_version == expected


def test_the_version_of_python3_is_that_of_the_systems_only() -> None:
    usr = found("system", "/usr", python="bin/python3.11", version="3.11")
    (one,) = list_environments([usr], home=HOME, python3=("/usr", "3.11.2"))
    assert one.python_version == "3.11.2"
    (one,) = list_environments([usr], home=HOME, python3=(f"{HOME}/.pyenv", "3.11.7"))
    assert one.python_version == "3.11"


def test_an_environment_without_its_interpreter_is_listed_as_broken() -> None:
    broken = found("venv", "/v/a", python="", version="3.9.1", distributions=[runicorn("3.9")])
    (one,) = list_environments([broken], home=HOME)
    assert (one.python_version, one.runicorn_installed, one.runicorn_version) == (None, False, None)
    assert one.python_path == "/v/a/bin/python"


def test_runicorn_without_its_package_is_not_installed() -> None:
    half = found("venv", "/v/a", version="3.11.2", distributions=[runicorn(present=False)])
    (one,) = list_environments([half], home=HOME, runicorn_dir="/data")
    assert (one.runicorn_installed, one.runicorn_version, one.storage_root) == (False, None, None)


def test_the_newest_of_two_leftovers_counts() -> None:
    two = found(
        "venv", "/v/a", version="3.11", distributions=[runicorn(version="0.6.0"), runicorn(version="0.10.1")]
    )
    (one,) = list_environments([two], home=HOME)
    assert one.runicorn_version == "0.10.1"


def test_the_users_own_packages_come_first_unless_isolated() -> None:
    user = [Distribution(".local/lib/python3.11/site-packages/runicorn-0.5.0.dist-info", True)]
    everything = [
        found(
            "system",
            "/usr",
            version="3.11",
            distributions=[Distribution("lib/python3/dist-packages/runicorn-0.6.0.dist-info", True)],
        ),
        found("system", "/usr/local", version="3.12"),
        found("conda", "/c/envs/a", version="3.11.7", distributions=[runicorn()]),
        found("venv", "/v/isolated", version="3.11.2"),
        found("venv", "/v/open", version="3.11.2", inherits=True, base="/usr/bin"),
    ]
    versions = {
        one.prefix: one.runicorn_version for one in list_environments(everything, home=HOME, user_site=user)
    }
    assert versions == {
        "/usr": "0.5.0",
        "/usr/local": None,
        "/c/envs/a": "0.5.0",
        "/v/isolated": None,
        "/v/open": "0.5.0",
    }


def test_an_environment_that_inherits_sees_its_base() -> None:
    everything = [
        found(
            "system",
            "/usr",
            version="3.11",
            distributions=[Distribution("lib/python3/dist-packages/runicorn-0.6.0.dist-info", True)],
        ),
        found("venv", "/v/open", version="3.11.2", inherits=True, base="/usr/bin"),
    ]
    assert [one.runicorn_version for one in list_environments(everything, home=HOME)] == ["0.6.0", "0.6.0"]


@pytest.mark.parametrize(
    ("variables", "runicorn_dir", "config", "expected"),
    [
        ({}, "", {}, None),
        ({}, "", {"user_root_dir": "/data/runs"}, "/data/runs"),
        ({}, "", {"user_root_dir": "~/runs"}, f"{HOME}/runs"),
        ({}, "", {"user_root_dir": 7}, None),
        ({}, "/session", {"user_root_dir": "/data/runs"}, "/session"),
        ({}, "relative/../runs", {}, f"{HOME}/runs"),
        ({"RUNICORN_DIR": "/of/conda"}, "/session", {"user_root_dir": "/data/runs"}, "/of/conda"),
    ],
)
def test_storage_roots(
    variables: dict[str, str], runicorn_dir: str, config: dict[str, object], expected: str | None
) -> None:
    one = found("conda", "/c/envs/a", version="3.11.7", distributions=[runicorn()], variables=variables)
    (made,) = list_environments([one], home=HOME, config=config, runicorn_dir=runicorn_dir)
    assert made.storage_root == expected


def test_names_are_text() -> None:
    odd = found("venv", "/v/a\x1b[31m\nb\u202ec\x07<b>")
    assert names(odd) == ["abc<b>"]


def test_conda_variables_are_read_or_nothing() -> None:
    assert conda_variables('{"env_vars": {"RUNICORN_DIR": "/x"}}') == {"RUNICORN_DIR": "/x"}
    for text in ("", "[]", "{}", '{"env_vars": 3}', '"x"'):
        assert conda_variables(text) == {}


def env(name: str, prefix: str) -> Environment:
    return Environment(
        name=name,
        type="venv",
        python_version="3.11",
        python_path=f"{prefix}/bin/python",
        prefix=prefix,
        runicorn_installed=False,
    )


LIST = [
    env("base", "/opt/conda"),
    env("torch", "/opt/conda/envs/torch"),
    env("torch2", "/t2"),
    env("tf", "/tf"),
    env("base @/home/ann/miniforge3", "/home/ann/miniforge3"),
]


@pytest.mark.parametrize(
    ("asked", "prefix"),
    [
        ("torch", "/opt/conda/envs/torch"),
        ("torch2", "/t2"),
        ("/t2", "/t2"),
        ("/t2/", "/t2"),
        ("/tf/bin/python", "/tf"),
        ("base", "/opt/conda"),
        ("base (/opt/conda)", "/opt/conda"),
        ("base (~/miniforge3)", "/home/ann/miniforge3"),
        ("base (/home/ann/miniforge3/)", "/home/ann/miniforge3"),
        ("base @", "/home/ann/miniforge3"),
        ("torch (/opt/conda/envs/torch)", "/opt/conda/envs/torch"),
        ("tf", "/tf"),
    ],
)
def test_what_people_call_an_environment(asked: str, prefix: str) -> None:
    assert find(LIST, asked).prefix == prefix


@pytest.mark.parametrize(
    "asked", ["", "t", "tor", "nothing", "/opt", "Base", "orch", "ba", "base (~/elsewhere)", "tf (/t2)"]
)
def test_what_is_no_name_of_one_environment(asked: str) -> None:
    with pytest.raises(EnvironmentNotFound):
        find(LIST, asked)


@given(
    st.lists(
        st.builds(
            Found,
            st.sampled_from(["base", "conda", "venv", "project", "pyenv", "asdf", "mise", "system"]),
            st.text(max_size=20).map(lambda text: f"/{text}"),
            st.sampled_from(["/a", "/b/c", "/d/.venv", "/e/envs/f"]),
            st.sampled_from(["", "bin/python"]),
            st.text(max_size=8),
            st.text(max_size=8),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_names_are_unique_and_each_leads_to_its_environment(everything: list[Found]) -> None:
    listed = list_environments(everything, home=HOME)
    assert len({one.name for one in listed}) == len(listed)
    for one in listed:
        assert find(listed, one.name) is one
        assert find(listed, one.prefix).prefix == one.prefix
