"""How the pages are built: `make docs`. English lies here, Chinese in zh/: two sites of one look."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pygments.lexers.configs import ApacheConfLexer
from sphinx.errors import ExtensionError
from sphinx.search.zh import SearchChinese

from runicorn_jupyter import __version__

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
from generated import PARTS, openapi  # noqa: E402  # pages' parts, made from the program
from pictures import in_both_colours  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

CHINESE = tags.has("zh")  # type: ignore[name-defined]  # noqa: F821  # Sphinx puts it here

project = "runicorn-jupyter"
author = "the runicorn-jupyter maintainers"
version = release = __version__
language = "zh_CN" if CHINESE else "en"
extensions = ["myst_parser"]
myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["zh", "_*"]
templates_path = [str(DOCS / "_templates")]

html_static_path = [str(DOCS / "_static")]
html_css_files = ["site.css"]
html_theme = "pydata_sphinx_theme"
html_title = "runicorn-jupyter"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_center": [],
    "navbar_end": ["language", "theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
    "show_prev_next": True,
    "header_links_before_dropdown": 4,
}
html_sidebars = {"**": ["navigation"]}  # all pages, by what people want of them
OTHER = DOCS if CHINESE else DOCS / "zh"
html_context = {"chinese": CHINESE, "counterparts": sorted(page.stem for page in OTHER.glob("*.md"))}

# A line's end is a space in HTML, of which Chinese has none.
_CHINESE_BREAK = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\n *(?=[\u3000-\u9fff\uff00-\uffef])")
# Links of Chinese pages to English ones, which are another site for Sphinx.
_ENGLISH = re.compile(r"\[([^\]]+)\]\(\.\./([\w-]+)\.md(#[\w-]+)?\)")
_MARK = re.compile(r"^<!-- generated: (.+?) -->$", re.MULTILINE)
# What a browser would fetch from elsewhere: these pages are read behind firewalls too.
_FETCHED = re.compile(
    r"""<(?:link(?![^>]*rel="(?:canonical|next|prev)")|script|img|iframe)\b[^>]*?(?:src|href)="https?:"""
)


def _fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the parts that are made from the program where their marks are, and dark pictures."""
    text = in_both_colours(source[0])
    if CHINESE:
        text = _ENGLISH.sub(r'<a href="../\2.html\3">\1</a>', _CHINESE_BREAK.sub("", text))
    source[0] = _MARK.sub(lambda mark: PARTS[mark[1]]("zh" if CHINESE else "en", Path(app.srcdir)), text)


def _finish(app: Sphinx, failure: Exception | None) -> None:
    """Add openapi.json, and see that no page fetches anything from elsewhere."""
    if failure is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    (out / "openapi.json").write_text(json.dumps(openapi(), indent=1, ensure_ascii=False) + "\n")
    for page in out.rglob("*.html"):
        if found := _FETCHED.search(page.read_text(encoding="utf-8")):
            raise ExtensionError(f"{page.name} fetches from elsewhere: {found[0]}")


class _ChineseSearch(SearchChinese):
    """Search of Chinese pages by pairs of characters: what is asked for is cut as what is indexed.

    Sphinx cuts the pages by a dictionary (jieba's, where it is installed) and the question not at all. Its
    stemmer is the English one, but Sphinx 9.0 calls it by the language: there is no ``ChineseStemmer``.
    """

    language_name = "English"
    js_splitter_code = r"""
var splitQuery = query => (query.match(/[\u4e00-\u9fff]+|[A-Za-z0-9_]+/g) || []).flatMap(word =>
  /^[\u4e00-\u9fff]{3}/.test(word) ? [...word].slice(1).map((next, index) => word[index] + next) : [word]);
"""
    _chinese = re.compile("[\u4e00-\u9fff]+")

    def split(self, input: str) -> list[str]:  # noqa: A002  # Sphinx's name
        """Return pairs of Chinese characters that stand side by side, and the other words."""
        latin = self.latin1_letters.findall(input)
        self.latin_terms.update(latin)
        runs = self._chinese.findall(input)
        return [run[at : at + 2] for run in runs for at in range(max(1, len(run) - 1))] + latin


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this first."""
    app.add_lexer("sshconfig", ApacheConfLexer)
    app.add_search_language(_ChineseSearch)
    app.connect("source-read", _fill)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
