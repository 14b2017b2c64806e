/*
 * The shim's second part: what an opaque origin lacks, a storage and a path of its own. See shim.js.
 */

/* ---- Storage: an opaque origin has none ---- */

/** Makes an object like localStorage over a Map, bounded; changed(name, value or null) is told of each change. */
function makeStorage(items, { storageLimit, storageNames }, changed) {
  const encoder = new TextEncoder();
  const sizeOf = (name, value) => encoder.encode(JSON.stringify(name) + JSON.stringify(value)).length + 2;
  let size = [...items].reduce((sum, [name, value]) => sum + sizeOf(name, value), 2);
  const held = name => (items.has(name) ? sizeOf(name, items.get(name)) : 0);
  const methods = {
    getItem: name => (items.has(String(name)) ? items.get(String(name)) : null),
    setItem(name, value) {
      [name, value] = [String(name), String(value)];
      const grown = size - held(name) + sizeOf(name, value);
      if (grown > storageLimit || (!items.has(name) && items.size >= storageNames)) {
        throw new DOMException('The quota has been exceeded.', 'QuotaExceededError');
      }
      size = grown;
      items.set(name, value);
      changed(name, value);
    },
    removeItem(name) {
      size -= held(String(name));
      if (items.delete(String(name))) {
        changed(String(name), null);
      }
    },
    clear() {
      [...items.keys()].forEach(methods.removeItem);
    },
    key: index => [...items.keys()][index] || null
  };
  const target = Object.create(Storage.prototype);
  const isItem = name => typeof name === 'string' && items.has(name);
  return new Proxy(target, {
    get: (_, name) => {
      if (name === 'length') {
        return items.size;
      }
      return Object.hasOwn(methods, name) ? methods[name] : isItem(name) ? items.get(name) : undefined;
    },
    set: (_, name, value) => (methods.setItem(name, value), true),
    has: (_, name) => name in methods || name === 'length' || isItem(name),
    deleteProperty: (_, name) => (methods.removeItem(name), true),
    ownKeys: () => [...items.keys()],
    getOwnPropertyDescriptor: (_, name) =>
      isItem(name)
        ? { value: items.get(name), configurable: true, enumerable: true, writable: true }
        : undefined
  });
}

/** Sends changes of localStorage to the proxy: soon, in order, and what could not be sent with the next ones. */
function storageSender(url, nativeFetch) {
  let waiting = new Map();
  let sending = false;
  let timer = 0;
  const later = milliseconds => {
    timer = timer || setTimeout(() => ((timer = 0), send(false)), milliseconds);
  };
  async function send(leaving) {
    if (!waiting.size || (sending && !leaving)) {
      return;
    }
    const changes = waiting;
    waiting = new Map();
    const body = JSON.stringify({
      remove: [...changes].filter(([, value]) => value === null).map(([name]) => name),
      set: Object.fromEntries([...changes].filter(([, value]) => value !== null))
    });
    sending = true;
    let kept = false;
    try {
      // Browsers let a page that goes away finish 64 KiB of requests.
      const keepalive = leaving && body.length < 20000;
      const answer = await nativeFetch(url, { method: 'POST', body, credentials: 'omit', keepalive });
      kept = answer.ok || answer.status === 413;
    } catch (error) {
      console.debug('runicorn-jupyter: settings are kept for later', error);
    }
    sending = false;
    if (!kept) {
      waiting = new Map([...changes, ...waiting]);
    }
    if (waiting.size) {
      later(kept ? 0 : 5000);
    }
  }
  window.addEventListener('pagehide', () => send(true));
  document.addEventListener('visibilitychange', () => document.hidden && send(true));
  return (name, value) => {
    waiting.set(name, value);
    later(200);
  };
}

/** Reads what this tab's page kept before it was loaded again; the history's state is again the page's alone. */
function readSession() {
  const named = readName().runicorn;
  const { runicornSession: kept, ...state } = Object(history.state);
  if (kept === undefined) {
    return named || {};
  }
  history.replaceState(Object.keys(state).length ? state : null, '');
  return named || Object(kept);
}

/**
 * Keeps the session's storage over a reload in a tab of its own: in an opaque origin Firefox loses the window's name
 * then and keeps the history's state, Chromium the other way round.
 */
function keepInHistory(items) {
  const { state } = history;
  const isPlain = state === null || Object.getPrototypeOf(state) === Object.prototype;
  if (items.size && isPlain && window.parent === window) {
    history.replaceState({ ...state, runicornSession: Object.fromEntries(items) }, '');
  }
}

/** Gives the page a localStorage that the proxy keeps, and a sessionStorage that lives as long as the tab. */
function virtualStorage(settings, nativeFetch) {
  const send = storageSender(`${settings.prefix}/__runicorn_jupyter__/storage`, nativeFetch);
  const local = makeStorage(new Map(Object.entries(settings.storage)), settings, (name, value) => {
    send(name, value);
    window.dispatchEvent(new Event('runicorn:stored'));
  });
  const items = new Map(Object.entries(readSession()).map(([name, value]) => [name, String(value)]));
  const session = makeStorage(items, settings, () => {
    writeName({ runicorn: Object.fromEntries(items) });
  });
  window.addEventListener('beforeunload', () => keepInHistory(items));
  redefine(window, 'localStorage', { get: () => local });
  redefine(window, 'sessionStorage', { get: () => session });
  redefine(document, 'cookie', { get: () => '', set: () => undefined });
}

/* ---- Copying: browsers have it in secure pages only, and Jupyter may be at plain http://NAME ---- */

/** Gives the page a clipboard that it can write to, where the browser has none. */
function virtualClipboard() {
  if (navigator.clipboard) {
    return;
  }
  const writeText = async text => {
    const before = document.activeElement;
    const field = document.createElement('textarea');
    field.value = String(text);
    field.style.position = 'fixed'; // nothing scrolls to it
    field.style.opacity = '0';
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    if (before) {
      before.focus();
    }
    if (!done) {
      throw new DOMException('The text could not be copied.', 'NotAllowedError');
    }
  };
  redefine(navigator, 'clipboard', { get: () => ({ writeText }) });
}

/* ---- The path: an opaque page may only change its fragment, so the page's own path lives there, "#!/runs/ID" ---- */

function virtualPath(prefix, origin) {
  const unprefixed = path =>
    path === prefix || path.startsWith(`${prefix}/`) ? path.slice(prefix.length) || '/' : path;
  const current = () => {
    if (location.hash.startsWith('#!')) {
      return new URL(location.hash.slice(2) || '/', origin);
    }
    return new URL(unprefixed(location.pathname) + location.search + location.hash, origin);
  };
  const fragment = url => {
    const wanted = new URL(String(url), current());
    if (wanted.origin !== origin) {
      throw new DOMException('A history entry leads to another origin.', 'SecurityError');
    }
    return `#!${unprefixed(wanted.pathname)}${wanted.search}${wanted.hash}`;
  };
  for (const name of ['pushState', 'replaceState']) {
    const native = History.prototype[name];
    History.prototype[name] = function (state, title, url) {
      native.call(this, state, title, url === undefined || url === null ? '' : fragment(url));
      tellPath();
    };
  }
  window.addEventListener('popstate', tellPath);
  const go = (url, replacing) => {
    const wanted = new URL(String(url), current());
    if (wanted.origin !== origin) {
      location.assign(wanted.href);
      return;
    }
    history[replacing ? 'replaceState' : 'pushState'](null, '', wanted.href);
    location.reload();
  };
  // A link to a place on the same page must not take the path out of the fragment.
  window.addEventListener('click', event => {
    const link = event.composedPath().find(node => node.localName === 'a' && node.hasAttribute('href'));
    const href = link ? link.getAttribute('href') : '';
    if (href.startsWith('#') && !href.startsWith('#!') && !event.defaultPrevented && !event.button) {
      event.preventDefault();
      history.pushState(history.state, '', href);
      const place = document.getElementById(decodeURIComponent(href.slice(1)));
      (place || document.documentElement).scrollIntoView();
    }
  });
  const view = virtualWindow(virtualLocation(current, go, origin), go);
  redefine(document, 'defaultView', { get: () => view });
}

/** Tells whoever shows this page where it is, so that it can be shown there again. */
function tellPath() {
  if (window.parent !== window) {
    window.parent.postMessage({ type: 'runicorn:path', fragment: location.hash }, '*');
  }
}

/** Makes an object like location for the page's own path. */
function virtualLocation(current, go, origin) {
  const virtual = {
    assign: url => go(url, false),
    replace: url => go(url, true),
    reload: () => location.reload(),
    toString: () => current().href,
    ancestorOrigins: location.ancestorOrigins,
    origin
  };
  for (const name of ['protocol', 'host', 'hostname', 'port', 'pathname', 'search', 'hash', 'href']) {
    redefine(virtual, name, {
      get: () => current()[name],
      set(value) {
        const wanted = name === 'href' ? new URL(value, current()) : current();
        if (name !== 'href') {
          wanted[name] = value;
        }
        go(wanted.href, false);
      }
    });
  }
  return virtual;
}

/** Makes the window that routers look through, by way of document.defaultView: the real one but for its location. */
function virtualWindow(virtual, go) {
  const bound = new Map();
  const view = new Proxy(window, {
    get: (target, name) => {
      if (name === 'location') {
        return virtual;
      }
      if (name === 'window' || name === 'self') {
        return view;
      }
      const value = target[name];
      if (typeof value !== 'function' || Object.hasOwn(value, 'prototype')) {
        return value;
      }
      if (!bound.has(value)) {
        bound.set(value, value.bind(target)); // the browser's functions want the real window
      }
      return bound.get(value);
    },
    set: (target, name, value) => {
      if (name === 'location') {
        go(value, false);
      } else {
        target[name] = value;
      }
      return true;
    }
  });
  return view;
}
