/** The page's colours, where it has no theme of Jupyter's. */

/** Whether a text's colour is one for a dark page. */
export function isForDark(color: string): boolean {
  const [red = 0, green = 0, blue = 0] = (color.match(/[\d.]+/g) ?? []).map(Number);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 140;
}

/** Give a node the colours of its page; they are Jupyter's where the page has those. */
export function adapt(node: HTMLElement): void {
  const { parentElement, ownerDocument } = node;
  const page = getComputedStyle(ownerDocument.documentElement);
  const hasTheme = page.getPropertyValue('--jp-ui-font-color1').trim() !== '';
  node.classList.toggle('rj-mod-alone', !hasTheme);
  const { color } = getComputedStyle(parentElement ?? ownerDocument.body);
  node.dataset.scheme = isForDark(color) ? 'dark' : 'light';
}

/** Call `changed` when the page's colours may be others; return what ends it. */
export function watchTheme(page: Document, changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  for (const node of [page.documentElement, page.body]) {
    observer.observe(node, {
      attributeFilter: [
        'class',
        'style',
        'data-theme',
        'data-jp-theme-name',
        'data-vscode-theme-id'
      ]
    });
  }
  const dark = matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', changed);
  return () => {
    observer.disconnect();
    dark.removeEventListener('change', changed);
  };
}
