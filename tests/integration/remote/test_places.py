"""Where people and clusters keep environments: what configuration files, caches and module trees say."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.remote.test_probe import run_locally
from tests.world.layouts import conda_env, pyenv_version, virtualenv

Prefix = Callable[..., Path]

CONDARC = """envs_dirs: [~/inline, "$ROOMS/quoted", '${ROOMS}/braces'] # where they are
channels: [defaults]
"""
SPREAD = "envs_dirs: [ ~/inline,\n  $ROOMS/quoted,\n  ${ROOMS}/braces ]\npkgs_dirs: [~/never]\n"
LINES = (
    "pkgs_dirs:\n- ~/never\nenvs_dirs:\n- ~/inline # one\n- '$ROOMS/quoted'\n-   ${ROOMS}/braces\nauto: no\n"
)


@pytest.mark.parametrize("shell", ["dash", "bash", "mksh", "ksh93"])
@pytest.mark.parametrize("text", [CONDARC, SPREAD, LINES], ids=["inline", "spread", "lines"])
def test_what_condarc_names_is_looked_into(
    text: str, shell: str, tmp_path: Path, runicorn_env: Prefix
) -> None:
    program = shutil.which(shell) or pytest.skip(f"needs {shell}: apt-get install {shell}")
    for place in ("inline", "rooms/quoted", "rooms/braces", "never", "mamba"):
        conda_env(tmp_path / place / f"of-{place.replace('/', '-')}", runicorn_env())
    (tmp_path / ".condarc").write_text(text)
    (tmp_path / ".mambarc").write_text(
        "envs_dirs: [~/mamba, $(touch INJECTED)/x, ${x;touch INJECTED}, $1, $]"
    )
    result = run_locally(tmp_path, [program], ROOMS=str(tmp_path / "rooms"))
    found = [one.name for one in result.environments if one.type == "conda"]
    assert found == ["of-inline", "of-mamba", "of-rooms-braces", "of-rooms-quoted"]
    assert not list(tmp_path.rglob("INJECTED"))
    assert not Path("INJECTED").exists()


def test_what_modules_of_clusters_install_is_found(tmp_path: Path, runicorn_env: Prefix) -> None:
    like = runicorn_env()
    easybuild, spack = tmp_path / "apps" / "software", tmp_path / "spack"
    loaded = tmp_path / "elsewhere" / "Python" / "3.12.3"
    places = {
        easybuild / "Python" / "3.11.3-GCCcore-12.3.0": "Python/3.11.3-GCCcore-12.3.0",
        loaded: "Python/3.12.3",
        spack / "opt/spack/linux-x86_64/gcc-12.3.0/python-3.11.6-ab3d": "python-3.11.6-ab3d",
        spack / "opt/spack/linux-zen3/python-3.12.1-ffee": "python-3.12.1-ffee",
        spack / "var/spack/environments/vision/.spack-env/._view/q6": "vision",
    }
    for place in places:
        pyenv_version(place.parent / "made", "3.11.7", like)
        (place.parent / "made" / "versions" / "3.11.7").rename(place)
    (spack / "var/spack/environments/vision/.spack-env/view").symlink_to("._view/q6")
    conda_env(easybuild / "Miniconda3" / "24.1", like, base=True)
    (tmp_path / "apps" / "modules" / "all").mkdir(parents=True)
    variables = {
        "MODULEPATH": f"/etc/modulefiles:{tmp_path}/apps/modules/all",
        "EBROOTPYTHON": str(loaded),
        "SPACK_ROOT": str(spack),
        "PATH": f"{loaded}/bin:{os.defpath}",
    }
    result = run_locally(tmp_path, ["/bin/sh"], **variables)
    found = {one.prefix: one.name for one in result.environments if one.prefix.startswith(str(tmp_path))}
    expected = {str(place): name for place, name in places.items()}
    assert found == expected | {str(easybuild / "Miniconda3" / "24.1"): "base"}
    assert {one.runicorn_installed for one in result.environments if one.prefix in found} == {True}


def test_the_caches_that_poetry_and_pipenv_are_told_are_looked_into(
    tmp_path: Path, runicorn_env: Prefix
) -> None:
    virtualenv(tmp_path / "cache" / "virtualenvs" / "paper-py3.11", runicorn_env())
    virtualenv(tmp_path / "homes" / "vision-x1Y2", runicorn_env())
    result = run_locally(
        tmp_path,
        ["/bin/sh"],
        POETRY_CACHE_DIR=str(tmp_path / "cache"),
        WORKON_HOME=str(tmp_path / "homes"),
    )
    assert {one.name for one in result.environments} >= {"paper-py3.11", "vision-x1Y2"}
