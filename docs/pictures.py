"""Pictures of the pages: where a dark one lies beside the light one, readers see that of their colours."""

from __future__ import annotations

import re
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
_PICTURE = re.compile(r"!\[([^\]]*)\]\(((?:\.\./)?images/)([\w-]+)\.png\)")


def in_both_colours(text: str) -> str:
    """Return a page's Markdown, in which a picture that has a dark one (``NAME-dark.png``) stands as both.

    The classes are the theme's (pydata_sphinx_theme): it hides one of them.
    """

    def both(found: re.Match[str]) -> str:
        said, folder, name = found.groups()
        if not (IMAGES / f"{name}-dark.png").exists():
            return found[0]
        return f"{found[0]}{{.only-light}}\n![{said}]({folder}{name}-dark.png){{.only-dark}}"

    return _PICTURE.sub(both, text)
