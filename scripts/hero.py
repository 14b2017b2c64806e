"""Take the README's picture of JupyterLab, in both languages, light and dark (``jupyterlab*.png``)."""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import expect

from runicorn_jupyter.demo.folders import default_folder
from scripts.demo_page import WAIT_SECONDS, demo_page
from scripts.pictures import save_picture

ROOT = Path(__file__).parents[1]
SIZE = (1440, 900)
"""Of the pictures, in pixels."""
BUTTONS = {"": ("en-US", "Open viewer"), "-zh": ("zh-CN", "打开查看器")}
"""What a language adds to a picture's name, and what the button is called in it."""
PICTURES = {
    f"jupyterlab{language}{dark}.png": (*BUTTONS[language], bool(dark))
    for language in BUTTONS
    for dark in ("", "-dark")
}
"""Each picture's language, its button, and whether it is dark."""
MACHINES = re.compile("Machines|机器")  # a tab that the demo shows beside its notebook
SETTLED_SECONDS = 12  # the live run has logged some of its curve


async def take(folder: Path, profile: Path, name: str) -> None:
    """Start the demo, open a server's viewer, and keep a picture of the page."""
    locale, button, dark = PICTURES[name]
    async with demo_page(folder, profile, SIZE, locale, dark=dark) as page:
        await page.locator(".lm-TabBar-tab", has_text=MACHINES).locator(".lm-TabBar-tabCloseIcon").click()
        card = page.locator(".rj-Card").filter(has=page.get_by_text("demo-gpu", exact=True))
        if not await card.get_by_role("button", name=button).is_visible():
            await card.locator(".rj-Card-toggle").click()
        await card.get_by_role("button", name=button).click()
        viewer = page.frame_locator("iframe").first
        await expect(viewer.get_by_text("longer schedule").first).to_be_visible(timeout=WAIT_SECONDS * 1000)
        await asyncio.sleep(SETTLED_SECONDS)
        await card.evaluate("card => { for (let at = card; at; at = at.parentElement) at.scrollTop = 0; }")
        save_picture(await page.screenshot(), ROOT / "docs" / "images" / name)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, default=default_folder().with_name("runicorn-jupyter-film"))
    options = parser.parse_args()
    if not subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=True).stdout:
        raise SystemExit("No font here has Chinese; on Debian: sudo apt-get install fonts-noto-cjk")
    for name in PICTURES:
        with TemporaryDirectory(prefix="runicorn-hero-") as profile:
            asyncio.run(take(options.dir, Path(profile), name))


if __name__ == "__main__":
    main()
