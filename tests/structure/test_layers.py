"""The shape of the code: imports point downwards only, and every part is small and says what it is for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runicorn_jupyter"

# What makes something of bytes that nobody vouches for; every part may use it, and it uses none.
UNTRUSTED = {"text", "json_text"}
# Each part, and the parts below it that it may import (docs/design.md, "The layers").
CONTRACT = {"models", "errors", *UNTRUSTED}
LAYERS: dict[str, set[str]] = {
    "_version": set(),
    "text": set(),
    "json_text": set(),
    "private_files": set(),
    "credential_file": {"private_files", *UNTRUSTED},
    "payload": set(),
    "errors": set(),
    "token_bucket": set(),
    "models": set(),
    "streams": set(),
    "http1": {"streams"},
    "ssh": {"payload", "private_files", "streams", *CONTRACT},
    "remote": {"payload", "ssh", "http1", "streams", *CONTRACT},
    "proxy": {"private_files", "token_bucket", "http1", "streams", *CONTRACT},
    "service": {"private_files", "token_bucket", "remote", "proxy", "ssh", *CONTRACT},
    "api": {"service", "remote", "proxy", "ssh", "credential_file", *CONTRACT},
    "strict": set(),
    "commandline": set(),
    "on_demand": set(),
    "serving": {"api", "service", "proxy"},
    "extension": {"strict", "commandline", "on_demand", "serving", "api", "service", "proxy", "ssh"},
    "client": {"credential_file", *UNTRUSTED},
    "doctor": {"extension", "strict", "client", "remote", "ssh", *CONTRACT},
    "notebook": {"client", *UNTRUSTED},
    "demo": {"client", "service"},
    # Jupyter and IPython ask the package itself for its entry points: inside functions, so that nothing is
    # imported before it is used.
    "__init__": {"extension", "notebook"},
}
# Text that other machines or browsers run has no place for Python's limits; it is bounded as modules are.
BUILT = {"labextension", "static"}  # below the package: what the build has put there
GENERATED = ROOT / "labextension/src/api/generated.ts"  # by make api-types: as long as the API is
SCRIPTS = [
    *(
        path
        for path in PACKAGE.rglob("*.*")
        if path.suffix in (".js", ".sh") and not BUILT & {*path.relative_to(PACKAGE).parts}
    ),
    *(path for path in (ROOT / "labextension" / "src").rglob("*.ts*") if path != GENERATED),
]
CLIENT = ROOT / "labextension/src/api/client.ts"  # one ES module for whoever imports it: not to be split

MAX_MODULE_LINES = 500  # 400 is the aim; what a module is called decides where it is cut
MAX_CLIENT_LINES = 600  # the JavaScript client is served as one file that imports nothing
MAX_FUNCTION_LINES = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _modules(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _part(path: Path) -> str:
    """The part of the package that a module belongs to: its first folder, or itself."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _imported(path: Path, tree: ast.AST, root: Path = PACKAGE) -> Iterator[str]:
    """Yield the dotted names of what a module imports from the package, wherever in it the import stands."""
    package = ["runicorn_jupyter", *path.relative_to(root).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("runicorn_jupyter."))
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module.split(".")[0] == "runicorn_jupyter":
                yield from (f"{module}.{alias.name}" for alias in node.names)


def _module(path: Path, root: Path) -> str:
    """Return a module's dotted name."""
    parts = ["runicorn_jupyter", *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _import_circle(root: Path) -> list[str]:
    """Return modules of a package of which each imports the one before it, for types or late too."""
    paths = {_module(path, root): path for path in _modules(root)}
    graph = {
        module: {
            name if name in paths else name.rpartition(".")[0] for name in _imported(path, _tree(path), root)
        }
        for module, path in paths.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        return list(exc.args[1])
    return []


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _code_lines(function: Function) -> int:
    """Lines of a function from its name to its end, less its docstring's."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def _is_override(function: Function) -> bool:
    """Whether a base class, a getter or an overload already says what it is for."""
    names = {ast.unparse(decorator).split("(")[0].split(".")[-1] for decorator in function.decorator_list}
    return bool(names & {"override", "overload", "setter", "deleter"})


def _undocumented(tree: ast.Module) -> Iterator[str]:
    """Yield the public classes, functions and methods that have no docstring."""

    def visit(body: list[ast.stmt], prefix: str) -> Iterator[str]:
        for node in body:
            if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
                continue
            if ast.get_docstring(node) is None and not (isinstance(node, Function) and _is_override(node)):
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from visit(node.body, f"{prefix}{node.name}.")

    return visit(tree.body, "")


def test_there_is_something_to_look_at() -> None:
    assert {_part(path) for path in _modules(PACKAGE)} >= {"errors", "models", "ssh", "remote", "proxy"}


@pytest.mark.parametrize("path", _modules(PACKAGE), ids=_name)
def test_imports_point_downwards(path: Path) -> None:
    part = _part(path)
    assert part in LAYERS, f"{_name(path)} has no layer: give it one in LAYERS, and in the design"
    imported = {name.split(".")[1] for name in _imported(path, _tree(path))}
    assert imported - {part, "_version"} <= LAYERS[part]


def test_no_modules_import_each_other() -> None:
    assert _import_circle(PACKAGE) == []


@pytest.mark.parametrize(
    "back",
    [
        "def late():\n    from runicorn_jupyter.part.first import One",
        "if TYPE_CHECKING:\n    from runicorn_jupyter.part import first",
        "from .part import first",
        "import runicorn_jupyter.part.first",
    ],
)
def test_a_circle_through_three_modules_is_seen(tmp_path: Path, back: str) -> None:
    part = tmp_path / "part"
    part.mkdir()
    (part / "__init__.py").write_text("")
    (part / "first.py").write_text("from runicorn_jupyter.part.second import Two")
    (part / "second.py").write_text("from runicorn_jupyter.third import Three")
    (tmp_path / "third.py").write_text("")
    assert _import_circle(tmp_path) == []
    (tmp_path / "third.py").write_text(back)
    assert len(_import_circle(tmp_path)) == 4


@pytest.mark.parametrize("path", _modules(PACKAGE / "payload"), ids=_name)
def test_the_payload_imports_only_what_is_sent_with_it(path: Path) -> None:
    imported = {
        node.module for node in ast.walk(_tree(path)) if isinstance(node, ast.ImportFrom) and node.module
    }
    ours = {module for module in imported if module.startswith(PACKAGE.name)}
    assert all(module.startswith(f"{PACKAGE.name}.payload.") for module in ours)


@pytest.mark.parametrize("path", _modules(PACKAGE / "payload"), ids=_name)
def test_the_payload_is_for_the_pythons_that_are_there(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_the_package_itself_imports_late() -> None:
    tree = _tree(PACKAGE / "__init__.py")
    at_import = ast.Module([node for node in tree.body if not isinstance(node, Function)], [])
    assert list(_imported(PACKAGE / "__init__.py", at_import)) == ["runicorn_jupyter._version.__version__"]


@pytest.mark.parametrize(
    "path", [*_modules(PACKAGE, ROOT / "tests", ROOT / "benchmarks"), *SCRIPTS], ids=_name
)
def test_modules_are_of_one_idea(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= (MAX_CLIENT_LINES if path == CLIENT else MAX_MODULE_LINES)


@pytest.mark.parametrize("path", _modules(PACKAGE, ROOT / "tests", ROOT / "benchmarks"), ids=_name)
def test_functions_are_short(path: Path) -> None:
    lengths = {function.name: _code_lines(function) for function in _functions(_tree(path))}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", _modules(PACKAGE), ids=_name)
def test_everything_public_says_what_it_is_for(path: Path) -> None:
    tree = _tree(path)
    assert ast.get_docstring(tree), "the module has no docstring"
    assert list(_undocumented(tree)) == []
