"""In the place of ``runicorn.viewer``: answers everything by the worst that is within its bounds.

Runs on the other side, where it may change what stands before it: whoever owns the machine can.
"""

import asyncio

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from runicorn_jupyter.payload import guard

COLUMNS = 1_200_000
RUNS = 300
PAGE = 64 * 1024
OPENERS = {"comment": "<!--", "head": "<head ", "doctype": "<!doctype ", "attribute": ' href="'}


async def metrics(self, body, _gone):
    """Answer with columns that nobody named and that hold nothing."""
    return {"steps": [], "metrics": {f"{number:x}": [] for number in range(COLUMNS)}, "total": 0}


async def changes(self, body, _gone):
    """Change every run each second, and let each of 64 metrics of each become NaN every other time."""
    version = body.get("version", 0) if body.get("epoch") == "worst" else 0
    answer = {"epoch": "worst", "version": version + 1, "reset": not version, "root": "/", "more": False}
    if version:
        await asyncio.sleep(1)
    broken = {f"m{number}": 0 for number in range(64)} if version % 2 else {}
    name = "a" * 500 + str(version)
    runs = [
        {"id": str(number), "name": name, "status": "running", "nan": broken if version else {}}
        for number in range(RUNS)
    ]
    return {**answer, "runs": runs, "removed": []}


guard.Guard._changes = changes
guard.Guard._metrics = metrics


def create_app(storage=None):
    """Make it; the parameter is runicorn's."""
    app = FastAPI()

    @app.get("/api/health")
    def health():
        return {"status": "ok"}

    @app.get("/openers/{name}")
    def openers(name: str):
        unit = OPENERS[name]
        return HTMLResponse(unit * (PAGE // len(unit)))

    return app
