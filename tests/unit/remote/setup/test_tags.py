"""Which wheels a remote's Python takes: by tag, for machines that are not here."""

from __future__ import annotations

from typing import Any

import pytest

from runicorn_jupyter.payload.setup.platform_tags import target_facts
from runicorn_jupyter.remote.setup.tags import Target


def facts(**changes: Any) -> dict[str, Any]:
    return {**target_facts(), "abi_flags": "", "implementation": "cpython", "version": [3, 11], **changes}


@pytest.mark.parametrize(
    ("platform", "libc", "first", "last", "holds", "lacks"),
    [
        ("linux-x86_64", {"glibc": "2.17"}, "manylinux_2_17_x86_64", "linux_x86_64",
         ("manylinux2014_x86_64", "manylinux1_x86_64"), "manylinux_2_28_x86_64"),
        ("linux-aarch64", {"glibc": "2.28"}, "manylinux_2_28_aarch64", "linux_aarch64",
         ("manylinux_2_17_aarch64", "manylinux2014_aarch64"), "manylinux_2_5_aarch64"),
        ("linux-x86_64", {"glibc": "", "musl": "1.2"}, "musllinux_1_2_x86_64", "linux_x86_64",
         ("musllinux_1_1_x86_64",), "manylinux_2_17_x86_64"),
        ("linux-aarch64", {"glibc": "", "musl": "1.1"}, "musllinux_1_1_aarch64", "linux_aarch64",
         ("musllinux_1_0_aarch64",), "musllinux_1_2_aarch64"),
        ("macosx-14.2-arm64", {"glibc": "", "musl": ""}, "macosx_14_2_arm64", "macosx_14_2_arm64", (), "any"),
    ],
)  # fmt: skip
def test_the_platforms_of_a_machine(  # noqa: PLR0917 - a row of the table
    platform: str, libc: dict[str, str], first: str, last: str, holds: tuple[str, ...], lacks: str
) -> None:
    target = Target.of(facts(platform=platform, **{"musl": "", **libc}))
    assert (target.platforms[0], target.platforms[-1]) == (first, last)
    assert set(holds) <= set(target.platforms)
    assert lacks not in target.platforms


def test_the_options_are_those_of_that_python() -> None:
    options = Target.of(facts(version=[3, 9])).options
    assert {"--python-version=3.9", "--implementation=cp", "--abi=cp39", "--abi=abi3", "--abi=none"} <= {
        *options
    }
    assert "--only-binary=:all:" in options
    without_gil = Target.of(facts(version=[3, 13], abi_flags="t")).options
    assert "--abi=cp313t" in without_gil
    assert "--abi=abi3" not in without_gil
    assert "--implementation=pp" in Target.of(facts(implementation="pypy")).options


def test_what_it_says_becomes_no_option_of_its_own() -> None:
    target = Target.of(facts(platform="linux-x86_64 --index-url=http://evil", glibc="2.99999", musl="1.x"))
    assert len(target.platforms) == 1
    assert all(option.startswith("--") and " " not in option for option in target.options)
    assert sum("evil" in option for option in target.options) == 1


@pytest.mark.parametrize("version", [[2, 7], [3, 10**9], [3, -1], ["x", 1], None, [3]])
def test_what_is_no_version_is_refused(version: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Target.of(facts(version=version))
