"""The live viewer in a widget, for front ends that keep widget state out of the saved file."""

from __future__ import annotations

import html

import ipywidgets as widgets

from runicorn_jupyter.notebook.display import RunicornViewer
from runicorn_jupyter.notebook.results import plain

__all__ = ["ViewerFrame"]


class ViewerFrame(widgets.HTML):  # type: ignore[misc]  # ipywidgets has no types
    """A frame with the viewer and a link to open it in a browser.

    Parameters
    ----------
    viewer
        The viewer; its URL goes into the widget's state, so only where `forgets_widgets`.
    """

    def __init__(self, viewer: RunicornViewer) -> None:
        url = html.escape(viewer.url, quote=True)
        title = html.escape(f"Runicorn viewer of {plain(viewer.host)}", quote=True)
        link = f'<a href="{url}" target="_blank" rel="noopener noreferrer">Open the viewer in a browser</a>'
        frame = (
            f'<iframe src="{url}" title="{title}" width="100%" height="{int(viewer.height)}" '
            'style="border:0" sandbox="allow-scripts allow-forms allow-popups allow-downloads allow-modals" '
            'allow="clipboard-write"></iframe>'
        )
        super().__init__(f"<p>{link}</p>{frame}")

    def __repr__(self) -> str:
        # ipywidgets saves this as the output's text/plain, and its own would show the value.
        return "ViewerFrame()"
