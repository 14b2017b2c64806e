"""Write or check `labextension/src/api/generated.ts`: the API's bodies and the events, as TypeScript.

`make api-types` writes it, `make lint` checks it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from runicorn_jupyter.api.events import SCHEMA_PATH
from runicorn_jupyter.api.openapi import openapi_document
from runicorn_jupyter.api.routes import OPERATIONS

LABEXTENSION = Path(__file__).parents[1] / "labextension"
TARGET = LABEXTENSION / "src" / "api" / "generated.ts"
HEADER = "/** The bodies of the API, and its events. Made by `make api-types` of the models in Python. */\n\n"
GENERATOR = ["openapi-typescript", "--root-types", "--root-types-no-schema-prefix"]
FORMATTER = ["prettier", "--stdin-filepath", str(TARGET)]


def schemas() -> dict[str, Any]:
    """Return the schemas of the OpenAPI document, and `RemoteEvent` beside them."""
    api = openapi_document(OPERATIONS, "/")["components"]["schemas"]
    event = yaml.safe_load(SCHEMA_PATH.read_text(encoding="utf-8"))
    used = ("description", "type", "required", "properties", "additionalProperties")
    return {**_without_titles(api), "RemoteEvent": {key: event[key] for key in used}}


def _without_titles(value: Any) -> Any:
    """Drop the titles that pydantic makes of names: they would be the comment of each field."""
    if isinstance(value, dict):
        return {
            key: _without_titles(each)
            for key, each in value.items()
            if not (key == "title" and isinstance(each, str))
        }
    return [_without_titles(each) for each in value] if isinstance(value, list) else value


def generate() -> str:
    """Generate the text of the file."""
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Runicorn remote viewer", "version": "0"},
        "paths": {},
        "components": {"schemas": schemas()},
    }
    return _run(FORMATTER, HEADER + _run(GENERATOR, json.dumps(document)))


def _run(command: list[str], text: str) -> str:
    program = LABEXTENSION / "node_modules" / ".bin" / command[0]
    done = subprocess.run(
        [program, *command[1:]],
        cwd=LABEXTENSION,
        input=text,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


def main(arguments: list[str]) -> int:
    """Write the file; with `--check` compare it, and return 1 where it differs."""
    made = generate()
    if arguments != ["--check"]:
        TARGET.write_text(made, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != made:
        name = TARGET.relative_to(LABEXTENSION.parent)
        print(f"{name} differs from what the API's models and events.yaml say: run `make api-types`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
