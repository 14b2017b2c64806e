"""The parts of the pages that are made from the program: ``<!-- generated: NAME -->`` is where each goes."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from chinese import ROUTES  # beside this file

from runicorn_jupyter import errors
from runicorn_jupyter.api import events as events_module
from runicorn_jupyter.api.openapi import openapi_document
from runicorn_jupyter.api.routes import OPERATIONS
from runicorn_jupyter.extension import RunicornJupyter
from runicorn_jupyter.notebook.magics import RunicornMagics

ROOT = Path(__file__).parents[1]
HEADS = {
    "en": {
        "option": "option", "type": "type", "default": "default", "what": "what it is", "code": "code",
        "status": "HTTP status", "when": "when", "others": "More", "magic": "magic", "field": "field",
        "question": "question", "measured": "measured", "command": "command", "missed": "✗, to reach:",
        "routes": "Routes", "models": "Models", "answer": "Answer:", "errors": "Errors:",
        "required": "required",
    },
    "zh": {
        "option": "选项", "type": "类型", "default": "默认值", "what": "说明", "code": "代码",
        "status": "HTTP 状态", "when": "何时", "others": "更多", "magic": "魔法命令", "field": "字段",
        "question": "问题", "measured": "测得", "command": "命令", "missed": "✗，目标：",
        "routes": "路由", "models": "模型", "answer": "回答：", "errors": "错误：", "required": "必填",
    },
}  # fmt: skip

GROWTH = [
    ("many", "open 100 connections, 8 at once", "打开 100 个连接，每次 8 个"),
    ("many", "memory of each", "其中每个连接占用的内存"),
    ("many", "idle CPU of all 100", "100 个空闲连接合计的 CPU"),
    ("reconnects", "64 connections back after a sleep", "休眠后 64 个连接全部恢复"),
    ("reconnects", "how often it turned one away", "其间主机拒绝登录的次数"),
    (
        "steps",
        "bytes of one more step: its server",
        "观察五台服务器，一个训练多记一步：它那条线路上的字节",
    ),
    ("steps", "bytes of one more step: each other server", "同时，其他每台服务器线路上的字节"),
    (
        "watched",
        "993 runs watched on 32 servers: the newest 200, all asked",
        "32 台服务器上的 993 个训练：最新的 200 个",
    ),
    ("watched", "993 runs watched on 32 servers: a step is told", "其中一个训练多记一步，到得知为止"),
    (
        "hub",
        "simulated: 1,000 people lose a node for 30 s: the last is back",
        "模拟：一个节点离开 30 秒，一千人全部恢复",
    ),
    ("hub", "simulated: 1,000 people lose a node for 30 s: turned away", "其间被拒绝的登录"),
    (
        "hub",
        "simulated: 1,000 people lose a node for 600 s: the last is back",
        "模拟：离开 600 秒，一千人全部恢复",
    ),
    ("hub", "simulated: 1,000 people lose a node for 600 s: turned away", "其间被拒绝的登录"),
    ("runs", "runs of 5 servers, the whole list", "五台服务器各 2,000 个训练：整个列表"),
    ("runs", "runs of 5 servers, the newest 200", "其中最新的 200 个"),
    ("runs", "memory that 10,000 runs take", "10,000 个训练占用的内存"),
    ("machines", "CPU of a machine that is watched", "被查看的机器上的 CPU"),
    ("machines", "bytes from a machine that is watched", "被查看的机器发来的字节"),
    ("weight", "an idle Jupyter server: memory that we add", "空闲的 Jupyter 服务器多占的内存"),
]
"""What ``scale.md`` shows: the module that asks, the question, and what it is in Chinese."""


def openapi() -> dict[str, Any]:
    """Give the document that a server at ``/`` serves."""
    return openapi_document(OPERATIONS, "/")


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return (
        "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        + "\n"
    )


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def traitlets(language: str, _: Path) -> str:
    """Table everything that an administrator can set."""
    head = HEADS[language]
    rows = []
    for name, trait in sorted(RunicornJupyter.class_own_traits(config=True).items()):
        base = next(kind for kind in type(trait).__mro__ if kind.__module__.startswith("traitlets."))
        kind = " · ".join(f"`{value}`" for value in getattr(trait, "values", [])) or base.__name__
        default = "`" + json.dumps(trait.default()) + "`"
        rows.append([f"`{name}`", kind, default, _one_line(trait.help)])
    return _table([head["option"], head["type"], head["default"], head["what"]], rows)


def _codes() -> list[type[errors.RemoteError]]:
    found = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.RemoteError)
    ]
    return sorted(
        {c.code: c for c in found if c is not errors.RemoteError}.values(), key=lambda c: (c.status, c.code)
    )


def error_codes(language: str, folder: Path) -> str:
    """Table every code; each has to have its section on the page."""
    head = HEADS[language]
    page = (folder / "errors.md").read_text(encoding="utf-8")
    without = [c.code for c in _codes() if f"### {c.code}\n" not in page]
    if without:
        raise ValueError(f"{folder / 'errors.md'} does not say what to do about {without}")
    rows = [[f"[`{c.code}`](#{c.code})", str(c.status), _one_line(c.__doc__ or "")] for c in _codes()]
    if language != "en":  # what each is, is said below in that language
        return _table([head["code"], head["status"]], [row[:2] for row in rows])
    return _table([head["code"], head["status"], head["when"]], rows)


def magics(language: str, _: Path) -> str:
    """Table every magic with its usage."""
    head = HEADS[language]
    rows = []
    for name in sorted(RunicornMagics.magics["line"]):
        method = getattr(RunicornMagics, name)
        usage = " ".join(method.parser.format_usage().replace("::", "").split())
        rows.append(
            [
                f"`{usage}`",
                _one_line(method.parser.description or ""),
            ]
        )
    return _table([head["magic"], head["what"]], rows)


def lab_settings(language: str, _: Path) -> str:
    """Table the settings of the JupyterLab side."""
    head = HEADS[language]
    schema = json.loads((ROOT / "labextension/schema/plugin.json").read_text())
    rows = [
        [f"`{name}`", f"`{json.dumps(value['default'])}`", f"{value['title']}. {value['description']}"]
        for name, value in schema["properties"].items()
    ]
    return _table([head["option"], head["default"], head["what"]], rows)


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " · ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    kind = str(schema.get("type", "anything"))
    if "minimum" in schema:
        kind += f", {schema['minimum']}–{schema.get('maximum', '')}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _fields(schema: dict[str, Any], required: str) -> list[list[str]]:
    rows = []
    for name, value in schema.get("properties", {}).items():
        need = required if name in schema.get("required", []) else ""
        if "default" in value:
            need = f"`{json.dumps(value['default'])}`"
        rows.append([f"`{name}`", _kind(value), need, _one_line(value.get("description", ""))])
    return rows


def _parameter(found: dict[str, Any], required: str) -> list[str]:
    schema = found["schema"]
    need = required if found["required"] else f"`{json.dumps(schema.get('default'))}`"
    return [
        f"`{found['name']}` ({found['in']})",
        _kind(schema),
        need,
        _one_line(schema.get("description", "")),
    ]


def http_api(language: str, _: Path) -> str:
    """Describe every route and model of openapi.json; what its models say is English."""
    head = HEADS[language]
    document = openapi()
    schemas = document["components"]["schemas"]
    asked, answered = (
        [head["field"], head["type"], head["default"], ""],
        [head["field"], head["type"], "", ""],
    )
    text = [f"## {head['routes']}\n"]
    for operation in OPERATIONS:
        path = document["paths"][f"/{operation.path}"][operation.method.lower()]
        summary = ROUTES[operation.summary] if language == "zh" else operation.summary
        text.append(f"### {operation.method} {operation.path}\n\n{summary}\n")
        rows = [_parameter(parameter, head["required"]) for parameter in path.get("parameters", [])]
        if "requestBody" in path:
            body = path["requestBody"]["content"]["application/json"]["schema"]
            body = schemas[body["$ref"].rsplit("/", 1)[1]] if "$ref" in body else body
            rows += _fields(body, head["required"])
        if rows:
            text.append(_table(asked, rows))
        answer = operation.response.__name__
        text.append(f"{head['answer']} [{answer}](#{answer.lower()}).")
        if operation.errors:
            links = (f"[`{error.code}`](errors.md#{error.code})" for error in operation.errors)
            text.append(f"{head['errors']} {', '.join(links)}.")
        text.append("")
    requests = {operation.request.__name__ for operation in OPERATIONS if operation.request is not None}
    text.append(f"## {head['models']}\n")
    for name, schema in sorted(schemas.items()):
        if name not in requests or name == "Profile":
            text.append(
                f"### {name}\n\n{_one_line(schema.get('description', ''))}\n\n"
                + _table(answered, _fields(schema, head["required"]))
            )
    return "\n".join(text)


def events(language: str, _: Path) -> str:
    """Table the fields of our events."""
    head = HEADS[language]
    schema = yaml.safe_load(Path(events_module.__file__).with_name("events.yaml").read_text())
    rows = [
        [f"`{name}`", _kind(value), _one_line(value.get("description", ""))]
        for name, value in schema["properties"].items()
    ]
    return (
        _one_line(schema["description"]) + "\n\n" + _table([head["field"], head["type"], head["what"]], rows)
    )


def benchmarks(language: str, _: Path) -> str:
    """Table the last results of ``make bench``."""
    del language  # in English only
    results = json.loads((ROOT / "benchmarks/results.json").read_text())
    rows = []
    for question, found in results.items():
        unit, spread = found["unit"], found["spread"]

        def figure(name: str, value: float, unit: str = unit, spread: dict[str, list[float]] = spread) -> str:
            low, high = spread.get(name, (value, value))
            return f"{value:.4g} {unit} ({low:.4g}–{high:.4g})"

        ratios = {name: ratio for name, ratio in found["ratio"].items() if ratio is not None}
        peers = "; ".join(
            f"{name}: {figure(name, value)}" + (f", {ratios[name]:.2g} ×" if name in ratios else "")
            for name, value in found["peers"].items()
        )
        met = {True: "✓", False: "✗", None: ""}[found["reached"]]
        rows.append([question, figure("ours", found["ours"]), peers, f"{found['target']} {met}".strip()])
    return _table(["question", "ours", "peers, and ours ÷ theirs", "to reach"], rows)


def scale(language: str, _: Path) -> str:
    """Table the last results that say how we grow, each with the question that measures it."""
    head = HEADS[language]
    results = json.loads((ROOT / "benchmarks/results.json").read_text())
    rows = []
    for module, question, chinese in GROWTH:
        found = results[question]
        low, high = (f"{value:,.4g}" for value in found["spread"]["ours"])
        figure = f"{found['ours']:,.4g} {found['unit']} ({low}–{high})"
        if not found["reached"] and found["target"]:
            figure += f" {head['missed']} {found['target']}"
        name = chinese if language == "zh" else question
        rows.append([name, figure, f"`python -m benchmarks {module}`"])
    return _table([head["question"], head["measured"], head["command"]], rows)


def other_pages(language: str, folder: Path) -> str:
    """List the pages that no list of the index names, so that a new page is never lost."""
    named = set(re.findall(r"^[\w-]+$", (folder / "index.md").read_text(encoding="utf-8"), re.MULTILINE))
    others = sorted({page.stem for page in folder.glob("*.md")} - named - {"index"})
    if not others:
        return ""
    return (
        f"```{{toctree}}\n:caption: {HEADS[language]['others']}\n:hidden:\n\n" + "\n".join(others) + "\n```\n"
    )


PARTS: dict[str, Callable[[str, Path], str]] = {
    "traitlets": traitlets,
    "errors": error_codes,
    "magics": magics,
    "lab settings": lab_settings,
    "http api": http_api,
    "events": events,
    "benchmarks": benchmarks,
    "scale": scale,
    "other pages": other_pages,
}
