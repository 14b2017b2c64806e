/** The frame that shows a viewer, whatever happens to the connection. */

import type { Message } from '@lumino/messaging';
import { Signal, type ISignal } from '@lumino/signaling';
import { Panel, Widget } from '@lumino/widgets';

import { Declined } from '../state/connectFlow.js';
import type { Runicorn } from '../ui/context.js';
import { requestAt } from '../state/connectRequest.js';
import type { ViewerLocation } from '../state/viewerLocation.js';
import { Overlay } from './overlay.js';
import { viewOf, type PageState, type View } from './view.js';

/** The words of the page's own Content-Security-Policy; see docs/design.md, "The viewer's origin". */
const SANDBOX = 'allow-scripts allow-forms allow-popups allow-downloads allow-modals';
/** What the script that the proxy puts into each page posts once the page runs. */
const LOADED_MESSAGE = 'runicorn:loaded';
/** What it posts when the page went elsewhere within the viewer; `fragment` is the URL's. */
const PATH_MESSAGE = 'runicorn:path';
/** What we post to it when Jupyter turned dark or light; `scheme` is which. */
const SCHEME_MESSAGE = 'runicorn:scheme';
/** Fragments of pages begin so; a longer one than this is not kept. */
const FRAGMENT = /^#![/?]/;
const FRAGMENT_LIMIT = 2048;
/** How long a page may take to say that it runs, in milliseconds. */
const LOAD_LIMIT = 10_000;

/** What a frame shows, and what it needs. */
export interface IFrameOptions {
  runicorn: Runicorn;
  at: ViewerLocation;
  showPanel: () => void;
  /** Where to go within the viewer. */
  fragment?: string;
  /** Whether the person named the place, and not a document of somebody else. */
  isTrusted: boolean;
}

/** Shows the viewer at a place, whatever happens to the connection. */
export class ViewerFrame extends Panel {
  constructor(options: IFrameOptions) {
    const { runicorn, at, showPanel, fragment = '', isTrusted } = options;
    super();
    this.addClass('rj-Frame');
    // Lab lets the mouse through such frames while something is dragged over them.
    this.addClass('jp-IFrame');
    this.runicorn = runicorn;
    this.at = at;
    this.showPanel = showPanel;
    this._isTrusted = isTrusted;
    this._fragment = isFragment(fragment) ? fragment : '';
    this._holder.addClass('rj-Frame-holder');
    this.addWidget(this._holder);
    this.addWidget(new Overlay(this));
    runicorn.store.changed.connect(this._update, this);
    runicorn.colorScheme.changed.connect(this._tellScheme, this);
    window.addEventListener('message', this);
    this._update();
  }

  readonly runicorn: Runicorn;
  readonly at: ViewerLocation;
  readonly showPanel: () => void;

  /** Emitted when there is something else to show. */
  get viewChanged(): ISignal<this, void> {
    return this._viewChanged;
  }

  /** Emitted when the page went elsewhere within the viewer. */
  get fragmentChanged(): ISignal<this, void> {
    return this._fragmentChanged;
  }

  /** Where the page is within the viewer, as its URL's fragment. */
  get fragment(): string {
    return this._fragment;
  }

  /** What there is to show. */
  get view(): View {
    return this._view;
  }

  /** Whether the page in the frame is there. */
  get page(): PageState {
    return this._page;
  }

  /** Show the frame though its page has not said that it runs. */
  showAnyway(): void {
    this._setPage('loaded');
  }

  /** Fetch the page again. */
  reload(): void {
    if (this._url) {
      this._load(this._url);
    }
  }

  /** Go to a place within the viewer, now or when its page is there. */
  go(fragment: string): void {
    if (isFragment(fragment) && fragment !== this._fragment) {
      this._fragment = fragment;
      this._fragmentChanged.emit();
      this.reload();
    }
  }

  /** Whether the viewer is opened without asking first. */
  get isTrusted(): boolean {
    return this._isTrusted;
  }

  /** Open the viewer without asking from now on: the person named the place. */
  trust(): void {
    this._isTrusted = true;
  }

  /**
   * Connect if need be, and have the viewer run.
   *
   * @throws Declined - if the person would not, where somebody else named the place.
   */
  async open(): Promise<void> {
    const { runicorn, at } = this;
    const { flow, store } = runicorn;
    if (!this._isTrusted) {
      if (!(await runicorn.confirmLocation(at))) {
        throw new Declined();
      }
      this.trust();
    }
    let connection = store.find(at);
    if (!connection || connection.status === 'disconnected') {
      const { connection_id } = await flow.connect(
        requestAt(at, store.profiles, runicorn.settings)
      );
      connection = store.connection(connection_id);
    }
    if (connection && at.env_name) {
      await flow.startViewer(connection.connection_id, at.env_name, {
        remoteRoot: at.remote_root ?? undefined,
        autoOpen: false
      });
    } else {
      this.showPanel();
    }
  }

  /** End the viewer that does not answer, and start it anew. */
  async restart(): Promise<void> {
    const { view, runicorn } = this;
    if ('connection' in view) {
      await runicorn.flow.restartViewer(view.connection.connection_id);
    }
  }

  handleEvent(event: MessageEvent): void {
    if (event.source === null || event.source !== this._iframe?.contentWindow) {
      return;
    }
    const data = (event.data ?? {}) as { type?: unknown; fragment?: unknown };
    if (data.type === LOADED_MESSAGE) {
      this._setPage('loaded');
    } else if (data.type === PATH_MESSAGE && isFragment(data.fragment)) {
      this._fragment = data.fragment;
      this._fragmentChanged.emit();
    }
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    window.removeEventListener('message', this);
    window.clearTimeout(this._timer);
    this.runicorn.store.changed.disconnect(this._update, this);
    this.runicorn.colorScheme.changed.disconnect(this._tellScheme, this);
    super.dispose();
  }

  protected override onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    if (this._view.kind === 'running') {
      this._iframe?.focus();
    } else {
      this.node.querySelector<HTMLElement>('.rj-Overlay button')?.focus();
    }
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    // A frame that is moved in the document is fetched again by the browser.
    if (this._url) {
      this._load(this._url);
    }
  }

  private _update(): void {
    const view = viewOf(this.runicorn.store, this.at);
    const changed = view.kind !== this._view.kind;
    this._view = view;
    const begun = 'connection' in view ? (view.connection.viewer?.started_at ?? '') : '';
    if (
      view.kind === 'running' &&
      (view.url !== this._url ||
        // Restarted, under the same URL.
        begun !== this._begun ||
        (changed && this._page !== 'loaded'))
    ) {
      this._url = view.url;
      this._begun = begun;
      if (this.isAttached) {
        this._load(view.url);
      }
    } else if (['absent', 'idle', 'starting', 'crashed'].includes(view.kind)) {
      this._unload();
    }
    this.node.dataset.view = view.kind;
    this._viewChanged.emit();
  }

  private _load(url: string): void {
    this._setPage('loading');
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => {
      if (this._page === 'loading') {
        this._setPage('silent');
      }
    }, LOAD_LIMIT);
    // A new element: another fragment alone would not make the browser fetch the page again.
    const iframe = document.createElement('iframe');
    iframe.setAttribute('sandbox', SANDBOX);
    iframe.setAttribute('allow', 'clipboard-write');
    iframe.setAttribute('referrerpolicy', 'no-referrer');
    iframe.className = 'rj-Frame-page';
    // The page reads it before anything of it is drawn.
    const scheme = this.runicorn.colorScheme.value;
    iframe.name = JSON.stringify({ scheme });
    iframe.style.colorScheme = scheme;
    iframe.title = this.runicorn.trans.__('Viewer of %1', this.at.host);
    iframe.src = url + this._fragment;
    this._holder.node.replaceChildren(iframe);
    this._iframe = iframe;
  }

  private _tellScheme(): void {
    const scheme = this.runicorn.colorScheme.value;
    if (this._iframe) {
      this._iframe.style.colorScheme = scheme;
      this._iframe.contentWindow?.postMessage({ type: SCHEME_MESSAGE, scheme }, '*');
    }
  }

  private _unload(): void {
    if (this._url) {
      this._url = '';
      window.clearTimeout(this._timer);
      this._holder.node.replaceChildren();
      this._iframe = null;
      this._page = 'loading';
    }
  }

  private _setPage(page: PageState): void {
    this._page = page;
    this.node.dataset.page = page;
    this._viewChanged.emit();
  }

  private readonly _holder = new Widget();
  private readonly _fragmentChanged = new Signal<this, void>(this);
  private readonly _viewChanged = new Signal<this, void>(this);
  private _view: View = { kind: 'waiting' };
  private _page: PageState = 'loading';
  private _iframe: HTMLIFrameElement | null = null;
  private _fragment: string;
  private _isTrusted: boolean;
  private _url = '';
  /** When the viewer began whose page is shown. */
  private _begun = '';
  private _timer = 0;
}

function isFragment(value: unknown): value is string {
  return typeof value === 'string' && value.length <= FRAGMENT_LIMIT && FRAGMENT.test(value);
}
