"""The proxy's own pages, shown while the viewer cannot be."""

from __future__ import annotations

from html import escape
from string import Template

from runicorn_jupyter.proxy.html import script_json

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
  :root { color-scheme: light dark; }
  body { align-items: center; display: flex; font: 15px/1.5 system-ui, sans-serif; justify-content: center;
    margin: 0; min-height: 100vh; }
  main { max-width: 30em; padding: 2em; text-align: center; }
  h1 { font-size: 1.25em; font-weight: 600; }
  p { opacity: 0.75; }
  .busy::before { animation: turn 1s linear infinite; border: 3px solid; border-radius: 50%;
    border-right-color: transparent; content: ""; display: inline-block; height: 1.5em; opacity: 0.6;
    width: 1.5em; }
  @keyframes turn { to { transform: rotate(1turn); } }
  @media (prefers-reduced-motion: reduce) { .busy::before { animation-duration: 8s; } }
</style>
</head>
<body>
<main>
<div id="busy" class="$busy"></div>
<h1 id="heading" role="status">$heading</h1>
<p id="text">$text</p>
</main>
$script
</body>
</html>
""")

# A long request, answered when something has changed: the page waits, it does not ask again and again.
# Only where the other side is unreachable, or Jupyter itself is, does it pause before it asks again.
_WAIT = Template("""<script>
(async (url) => {
  const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const show = (heading, text) => {
    document.getElementById('busy').className = '';
    document.getElementById('heading').textContent = heading;
    document.getElementById('text').textContent = text;
  };
  for (let failures = 0; ; ) {
    let state = 'unreachable';
    try {
      const answer = await fetch(url, { credentials: 'omit', cache: 'no-store' });
      state = answer.status === 404 ? 'stopped' : (await answer.json()).state;
    } catch (error) {
      console.debug('runicorn-jupyter: still waiting', error);
      // Jupyter lets a page read its answers only while it knows the page's viewer.
      if (await fetch(url, { mode: 'no-cors', credentials: 'omit' }).then(() => true, () => false)) {
        show('This viewer cannot be found', 'It, or Jupyter, was stopped. Open it from the Runicorn panel.');
      }
    }
    if (state === 'stopped') {
      show('This viewer was stopped', 'Open it again from the Runicorn panel.');
      return;
    }
    if (state === 'running') {
      location.reload();
      return;
    }
    failures = state === 'reconnecting' ? 0 : failures + 1;
    await pause(Math.min(15, failures && 2 ** (failures - 1)));
  }
})($url);
</script>""")


def waiting_page(title: str, heading: str, text: str, wait_url: str) -> bytes:
    """Return a page that reloads once the viewer can be reached again.

    Parameters
    ----------
    title, heading, text
        Texts to show; they are escaped.
    wait_url
        The path of the long poll, which answers with JSON ``{"state": …}``.
    """
    return _render(title, heading, text, busy="busy", script=_WAIT.substitute(url=script_json(wait_url)))


def message_page(title: str, heading: str, text: str) -> bytes:
    """Return a page with an error message."""
    return _render(title, heading, text, busy="", script="")


def _render(title: str, heading: str, text: str, *, busy: str, script: str) -> bytes:
    return _PAGE.substitute(
        title=escape(title), heading=escape(heading), text=escape(text), busy=busy, script=script
    ).encode()
