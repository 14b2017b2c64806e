"""Curves that grow, in an output: live where the front end can, and a still in what is saved."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

from runicorn_jupyter.client import RunicornRemoteClient
from runicorn_jupyter.notebook.display import forgets_widgets
from runicorn_jupyter.notebook.plot import VEGA_LITE, RunPlot
from runicorn_jupyter.notebook.results import plain

if TYPE_CHECKING:
    from runicorn_jupyter.notebook.live_curves import LiveCurves

__all__ = ["MIME_TYPE", "LivePlot"]

MIME_TYPE = "application/vnd.runicorn.curves+json"
"""The MIME type that ``labextension/`` renders."""

_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_STILL_BYTES = 200_000
"""Of the still in a saved output: the chart and its picture together."""
_COLOURS = 64
"""Of the picture: a tenth of the bytes that it takes with all of them."""


class LivePlot:
    """Metrics of runs that go on growing, and a still of them for where nothing is live.

    Attributes
    ----------
    still
        The chart as it was when this was made, a `RunPlot`: with ``chart`` and ``data``.

    Parameters
    ----------
    client
        A client of the server that has the runs.
    runs
        As ``client.list_runs()`` gives them.
    metrics
        Which to draw.
    still
        The chart of what is known now.
    """

    def __init__(
        self,
        client: RunicornRemoteClient,
        runs: Sequence[Mapping[str, Any]],
        metrics: Sequence[str],
        still: RunPlot,
    ) -> None:
        self._client = client
        self._runs = list(runs)
        self._metrics = list(metrics)
        self._as_of = datetime.now(UTC)
        self.still = still

    @cached_property
    def widget(self) -> LiveCurves:
        """The live charts as a widget, to put it into a layout of others."""
        from runicorn_jupyter.notebook.live_curves import LiveCurves  # noqa: PLC0415 - widgets take 200 ms to import

        return LiveCurves(self._client, self._runs, self._metrics)

    def __repr__(self) -> str:
        return f"{self.still!r}\nAs of {self._as_of:%Y-%m-%d %H:%M:%S} UTC."

    def _display_(self) -> LiveCurves:
        """Give marimo what it is to show."""
        return self.widget

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {**self._live(), **self._still, "text/plain": repr(self)}

    def _live(self) -> dict[str, Any]:
        """Return what is live: where the page is the server's own it needs no kernel; else it is a widget."""
        if self._client.server.source == "private" or forgets_widgets(get_ipython()):
            bundle = self.widget._repr_mimebundle_()
            data = bundle[0] if isinstance(bundle, tuple) else bundle
            return {} if data is None else {_WIDGET_VIEW: data[_WIDGET_VIEW]}
        runs = [{"run_id": run["run_id"], "name": plain(run["name"] or run["run_id"])} for run in self._runs]
        return {
            MIME_TYPE: {
                "version": 1,
                "metrics": self._metrics,
                "runs": runs,
                "as_of": self._as_of.isoformat(),
            }
        }

    @cached_property
    def _still(self) -> dict[str, Any]:
        """The chart, and its picture where that can be drawn and fits."""
        if self.still.data.empty:
            return {}
        subtitle = f"as of {self._as_of:%Y-%m-%d %H:%M:%S} UTC"
        spec = self.still.vega_lite(subtitle)
        still: dict[str, Any] = {VEGA_LITE: spec}
        if all(importlib.util.find_spec(name) for name in ("vl_convert", "PIL")):
            text = base64.b64encode(_picture(self.still.titled(subtitle))).decode()
            if len(text) + len(json.dumps(spec, ensure_ascii=False).encode()) <= _STILL_BYTES:
                still["image/png"] = text
        return still


def _picture(chart: Any) -> bytes:
    """Draw an Altair chart as a small PNG."""
    from PIL import Image  # noqa: PLC0415 - an extra

    drawn, small = io.BytesIO(), io.BytesIO()
    chart.save(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(small, "png", optimize=True)
    return small.getvalue()
