"""Whether what was downloaded is all that another Python needs."""

from __future__ import annotations

import zipfile
from pathlib import Path

from runicorn_jupyter.payload.setup.platform_tags import target_facts
from runicorn_jupyter.remote.setup.wheels import missing


def wheel(folder: Path, name: str, *needs: str) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    lines = "".join(f"Requires-Dist: {each}\n" for each in needs)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\n{lines}\nText\n"
        )
    return path


def markers(version: str) -> dict[str, str]:
    return {**target_facts()["markers"], "python_version": version, "python_full_version": f"{version}.1"}


def test_the_other_pythons_markers_count(tmp_path: Path) -> None:
    paths = [
        wheel(tmp_path, "runicorn", 'Exception.Group; python_version < "3.11"', "server[fast]>=1", "server"),
        wheel(
            tmp_path, "server", "runicorn", 'loop; extra == "fast"', 'docs; extra == "docs"', "??? unreadable"
        ),
    ]
    assert missing(paths, ["runicorn"], markers("3.12")) == {"loop"}
    assert missing(paths, ["runicorn==1.0", "pip"], markers("3.10")) == {"loop", "exception-group", "pip"}
    paths.append(wheel(tmp_path, "loop"))
    assert missing(paths, ["runicorn"], markers("3.12")) == set()
