"""How pictures of pages are kept."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = 256


def save_picture(taken: bytes | Image.Image, path: Path) -> None:
    """Save a picture as PNG with as few colours as a palette has: less than half of the bytes.

    Parameters
    ----------
    taken
        The picture, or a screenshot's PNG.
    path
        Where to.
    """
    picture = Image.open(io.BytesIO(taken)) if isinstance(taken, bytes) else taken
    few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
