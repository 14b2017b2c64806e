"""Runs this interpreter's pip for another Python: ``python pip_for_target.py MARKERS download …``.

``pip download --platform`` chooses files for the other Python, but asks this one whether a dependency is
needed at all (PEP 508). So pip is told the other's answers; `wheels.py` checks that nothing is missing.
"""

import json
import sys


def main() -> int:
    """Run pip with the arguments that follow the markers."""
    from pip._internal.cli.main import main as pip  # noqa: PLC0415
    from pip._vendor.packaging import markers  # noqa: PLC0415

    others = json.loads(sys.argv[1])
    markers.default_environment = lambda: dict(others)
    return int(pip(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
