"""The README's pictures: the moving one moves, is a minute long and light; both languages have theirs."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from scripts import hero
from scripts.film import FILM, LONGEST_SECONDS, MAX_BYTES, WIDTH, cut, write

ROOT = Path(__file__).parents[2]


def shown(path: Path) -> list[int]:
    """Return how long each picture of a film stands, in ms."""
    times = []
    with Image.open(path) as film:
        for number in range(getattr(film, "n_frames", 1)):
            film.seek(number)
            film.load()
            times.append(film.info["duration"])
    return times


def png(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 40), colour).save(file, "PNG")
    return file.getvalue()


def test_the_readmes_film_is_whole() -> None:
    assert FILM.stat().st_size <= MAX_BYTES
    times = shown(FILM)
    assert len(times) > 20
    assert 40 <= sum(times) / 1000 <= LONGEST_SECONDS
    for page in ("README.md", "README.zh-CN.md"):
        assert f"({FILM.relative_to(ROOT)})" in (ROOT / page).read_text(encoding="utf-8")


def test_each_language_has_its_picture_of_jupyterlab() -> None:
    for name, (readme, page) in {
        "jupyterlab": ("README.md", "docs/index.md"),
        "jupyterlab-zh": ("README.zh-CN.md", "docs/zh/index.md"),
    }.items():
        for path in (ROOT / "docs" / "images" / f"{name}{dark}.png" for dark in ("", "-dark")):
            with Image.open(path) as picture:
                assert picture.size == hero.SIZE
            assert path.stat().st_size < 200_000
            assert path.name in hero.PICTURES
            assert f'"docs/images/{path.name}"' in (ROOT / readme).read_text(encoding="utf-8")
        assert f"images/{name}.png)" in (ROOT / page).read_text(encoding="utf-8")
    assert len(hero.PICTURES) == 4


def test_of_pictures_within_a_moment_the_last_stays() -> None:
    red, green, blue = b"red", b"green", b"blue"
    pictures = [(10.0, red), (10.1, green), (11.0, blue)]
    assert cut(pictures, 13.0) == [(green, 1000), (blue, 2000)]
    assert cut(pictures[:1], 12.5) == [(red, 2500)]
    assert cut([], 1.0) == []


def test_what_is_written_stands_as_long_as_it_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "film.webp"
    size = write([(png("red"), 1000), (png("green"), 250), (png("blue"), 2000)], path, 40)
    assert size == path.stat().st_size
    assert shown(path) == [1000, 250, 2000]
    with Image.open(path) as film:
        assert film.size == (WIDTH, WIDTH * 40 // 64)
