"""Pictures that are light and dark: each has its twin, and the pages and the README show both."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
DARK = sorted(path.stem.removesuffix("-dark") for path in IMAGES.glob("*-dark.png"))
LIGHT_ONLY = {"live-curves", "runs-in-lab"}
"""No command makes them: they were taken by hand."""


def test_each_picture_of_a_page_has_a_dark_one() -> None:
    assert {path.stem for path in IMAGES.glob("*.png")} == {*DARK, *(f"{n}-dark" for n in DARK), *LIGHT_ONLY}


@pytest.mark.parametrize("name", DARK)
def test_both_are_of_one_size_and_of_their_colours(name: str) -> None:
    means = []
    with Image.open(IMAGES / f"{name}.png") as light, Image.open(IMAGES / f"{name}-dark.png") as dark:
        assert light.size == dark.size
        for picture in (light, dark):
            grey = picture.convert("L").resize((1, 1), Image.Resampling.BOX)
            means.append(grey.getpixel((0, 0)))
    assert means[0] > 128 > means[1]


@pytest.mark.parametrize("folder", ["images/", "../images/"])
def test_a_page_shows_what_the_readers_colours_want(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    both = importlib.import_module("pictures").in_both_colours
    assert both(f"a\n\n![Says it]({folder}jupyterlab.png)\n") == (
        f"a\n\n![Says it]({folder}jupyterlab.png){{.only-light}}\n"
        f"![Says it]({folder}jupyterlab-dark.png){{.only-dark}}\n"
    )
    for other in (f"![Says it]({folder}live-curves.png)", f"![Says it]({folder}architecture.svg)", "text"):
        assert both(other) == other


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_readme_offers_the_dark_one_of_each(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = re.findall(r"docs/images/([\w-]+)\.png", text)
    pairs = re.findall(
        r'<picture><source media="\(prefers-color-scheme: dark\)" srcset="docs/images/([\w-]+)-dark\.png">'
        r'<img alt="[^"]+" src="docs/images/\1\.png"></picture>',
        text,
    )
    assert len(pairs) == 5
    assert sorted(shown) == sorted([*pairs, *(f"{name}-dark" for name in pairs)])
