"""What ``%load_ext runicorn_jupyter`` adds to a kernel's start; people have it in their start-up files."""

from __future__ import annotations

from benchmarks.harness import OURS, Answer, interleave
from benchmarks.world import World
from tests.notebook.kernels import lone_kernel
from tests.world.jupyter import server_environment

WIDGETS = "import ipywidgets"
"""What any extension costs that brings its widgets at once; nearly every peer does."""

_TIMED = """\
from time import perf_counter as _now
_begun = _now()
{code}
_took = (_now() - _begun) * 1000
"""


def run(world: World, rounds: int = 5) -> list[Answer]:
    """Answer the question of this module: milliseconds in kernels that have done nothing else."""
    home = world.folder / "load-ext"
    home.mkdir()
    env = server_environment(home)
    imported: list[float] = []

    def timed(*cells: str) -> list[float]:
        with lone_kernel(env, home) as kernel:
            took = []
            for code in cells:
                kernel.good(_TIMED.format(code=code))
                took.append(float(kernel.value("_took")))
            return took

    def ours() -> float:
        # The package first, in the same kernel: loading the extension then costs both.
        package, extension = timed("import runicorn_jupyter", "%load_ext runicorn_jupyter")
        imported.append(package)
        return package + extension

    samples = interleave({OURS: ours, WIDGETS: lambda: timed(WIDGETS)[0]}, rounds)
    return [
        Answer("load the extension in a kernel", samples, "ms", bound=300),
        Answer("import the package", {OURS: imported}, "ms", bound=150),
    ]
