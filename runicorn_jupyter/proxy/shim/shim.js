/*
 * Makes a viewer's page work where the proxy puts it: below a prefix instead of at the root of a host, and in an
 * opaque origin instead of one with storage, cookies and a path of its own. The proxy puts this first into the head of
 * each HTML page, with state.js and colours.js and inside of a function, and calls runicornShim.
 *
 * It is compatibility only. The page could undo all of it; what protects is the Content-Security-Policy.
 */

/**
 * Sets everything up; settings: prefix (path, no slash at its end), storage (name to value), and what it may hold at
 * most: storageLimit (bytes), storageNames.
 */
function runicornShim(settings) {
  const origin = `${location.protocol}//${location.host}`;
  const map = urlMapper(settings.prefix, origin);
  const nativeFetch = window.fetch.bind(window);
  mapNetwork(window, map, origin);
  mapWorkers(map, settings.prefix, origin);
  mapWindows(map);
  mapElements(map);
  mapMarkup(map);
  virtualStorage(settings, nativeFetch);
  virtualClipboard();
  followColorScheme();
  virtualPath(settings.prefix, origin);
  if (window.parent !== window) {
    // Whoever shows this page learns that it runs; nothing here is a secret, so any parent may hear it.
    window.parent.postMessage({ type: 'runicorn:loaded' }, '*');
  }
}

/** Redefines a property; one that the browser protects stays as it is. */
function redefine(object, name, descriptor) {
  const old = Object.getOwnPropertyDescriptor(object, name);
  if (!old || old.configurable) {
    Object.defineProperty(object, name, { configurable: true, enumerable: true, ...descriptor });
  }
}

/* ---- URLs: what is absolute on this host belongs below the prefix. Also runs in workers. ---- */

function urlMapper(prefix, origin) {
  const webSocketOrigin = origin.replace(/^http/, 'ws');
  const schemeless = origin.slice(origin.indexOf('//'));
  return url => {
    const text = String(url).trim();
    const host = [origin, webSocketOrigin, schemeless].find(
      start => text === start || (text.startsWith(start) && '/?#'.includes(text[start.length]))
    );
    const path = host ? text.slice(host.length) : text;
    const isAbsolute = host ? true : path.startsWith('/') && !path.startsWith('//');
    const isMapped = path === prefix || path.startsWith(`${prefix}/`);
    if (!isAbsolute || isMapped) {
      return typeof url === 'string' ? url : text;
    }
    return (host || '') + prefix + (path.startsWith('/') ? path : `/${path}`);
  };
}

/** Maps what scripts ask the network for, and sends no credentials: an opaque origin is given none. */
function mapNetwork(scope, map, origin) {
  const withoutCredentials = init => {
    const mode = init && init.mode === 'same-origin' ? 'cors' : init && init.mode;
    return { ...init, ...(mode && { mode }), credentials: 'omit' };
  };
  const NativeRequest = scope.Request;
  scope.Request = new Proxy(NativeRequest, {
    construct: (target, [input, init], newTarget) => {
      const mapped = input instanceof NativeRequest ? input : map(input);
      return Reflect.construct(target, [mapped, withoutCredentials(init)], newTarget);
    }
  });
  const nativeFetch = scope.fetch;
  scope.fetch = function fetch(input, init) {
    const mapped = input instanceof NativeRequest ? input : map(input);
    return nativeFetch.call(scope, mapped, withoutCredentials(init));
  };
  const nativeOpen = scope.XMLHttpRequest.prototype.open;
  scope.XMLHttpRequest.prototype.open = function open(method, url, ...rest) {
    return nativeOpen.call(this, method, map(url), ...rest);
  };
  Object.defineProperty(scope.XMLHttpRequest.prototype, 'withCredentials', {
    configurable: true,
    get: () => false,
    set: () => undefined
  });
  scope.WebSocket = new Proxy(scope.WebSocket, {
    construct: (target, [url, ...rest], newTarget) => {
      const mapped = map(url);
      const absolute = mapped.startsWith('/') ? origin.replace(/^http/, 'ws') + mapped : mapped;
      return Reflect.construct(target, [absolute, ...rest], newTarget);
    }
  });
  if (scope.EventSource) {
    scope.EventSource = new Proxy(scope.EventSource, {
      construct: (target, [url], newTarget) => Reflect.construct(target, [map(url)], newTarget)
    });
  }
  if (scope.importScripts) {
    const nativeImport = scope.importScripts;
    scope.importScripts = (...scripts) => nativeImport.apply(scope, scripts.map(map));
  }
}

/** Starts workers from a blob: a script of another origin, which every script is here, may not start one. */
function mapWorkers(map, prefix, origin) {
  if (!window.Worker) {
    return;
  }
  const blobUrl = text => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  const wrapped = (address, options) => {
    const script = new URL(map(address), document.baseURI).href;
    // A blob has no address that others could count from: what the worker asks for counts from its script's.
    const base = script.startsWith('blob:') ? document.baseURI : script;
    const text = JSON.stringify;
    const prelude =
      `{${urlMapper}\n${mapNetwork}\nconst map = urlMapper(${text(prefix)}, ${text(origin)});\n` +
      `mapNetwork(self, url => new URL(map(url), ${text(base)}).href, ${text(origin)});}\n`;
    return options && options.type === 'module'
      ? blobUrl(`${prelude}(${importKeepingMessages})(${text(script)});`)
      : blobUrl(`${prelude}importScripts(${text(script)});`);
  };
  window.Worker = new Proxy(window.Worker, {
    construct: (target, [script, options], newTarget) =>
      Reflect.construct(target, [wrapped(script, options), { ...options, type: 'classic' }], newTarget)
  });
}

/** Runs in workers of modules, which Chromium starts from no opaque blob: a classic one imports, and then listens. */
function importKeepingMessages(script) {
  const early = [];
  const keep = event => early.push(event);
  self.addEventListener('message', keep);
  import(script).then(() => {
    self.removeEventListener('message', keep);
    for (const { data, ports } of early) {
      self.dispatchEvent(new MessageEvent('message', { data, ports: [...ports] }));
    }
  });
}

/** Maps what opens elsewhere: windows, beacons, and links that were made without our knowing. */
function mapWindows(map) {
  const nativeOpen = window.open;
  window.open = function open(url, ...rest) {
    return nativeOpen.call(window, url ? map(url) : url, ...rest);
  };
  if (navigator.sendBeacon) {
    const nativeBeacon = navigator.sendBeacon;
    navigator.sendBeacon = (url, data) => nativeBeacon.call(navigator, map(url), data);
  }
  const followed = event => {
    const link = event.composedPath().find(node => node.localName === 'a' && node.hasAttribute('href'));
    const href = link && link.getAttribute('href');
    if (href && map(href) !== href) {
      link.setAttribute('href', href);
    }
  };
  window.addEventListener('click', followed, true);
  window.addEventListener('auxclick', followed, true);
}

/* ---- Elements ---- */

function mapSet(map) {
  return text => String(text).replace(/(^|,)(\s*)(\S+)/g, (_, comma, space, url) => comma + space + map(url));
}

/** Maps the attributes that hold URLs, whether set as attributes or as properties. */
function mapElements(map) {
  const mapper = { srcset: mapSet(map), imagesrcset: mapSet(map) };
  for (const name of ['src', 'href', 'action', 'formaction', 'poster', 'data']) {
    mapper[name] = map;
  }
  const mapped = (name, value) => {
    const change =
      mapper[
        String(name)
          .replace(/^xlink:/, '')
          .toLowerCase()
      ];
    return change ? change(value) : value;
  };
  const { setAttribute, setAttributeNS } = Element.prototype;
  Element.prototype.setAttribute = function (name, value) {
    return setAttribute.call(this, name, mapped(name, value));
  };
  Element.prototype.setAttributeNS = function (namespace, name, value) {
    return setAttributeNS.call(this, namespace, name, mapped(name, value));
  };
  const properties = {
    href: ['HTMLAnchorElement', 'HTMLAreaElement', 'HTMLLinkElement'],
    src: [
      'HTMLImageElement',
      'HTMLScriptElement',
      'HTMLIFrameElement',
      'HTMLMediaElement',
      'HTMLSourceElement',
      'HTMLTrackElement',
      'HTMLEmbedElement',
      'HTMLInputElement'
    ],
    srcset: ['HTMLImageElement', 'HTMLSourceElement'],
    imageSrcset: ['HTMLLinkElement'],
    data: ['HTMLObjectElement'],
    action: ['HTMLFormElement'],
    formAction: ['HTMLButtonElement', 'HTMLInputElement'],
    poster: ['HTMLVideoElement']
  };
  for (const [name, classes] of Object.entries(properties)) {
    for (const prototype of classes.map(each => window[each] && window[each].prototype)) {
      const native = prototype && Object.getOwnPropertyDescriptor(prototype, name);
      if (native && native.set) {
        redefine(prototype, name, {
          get: native.get,
          set(value) {
            native.set.call(this, mapped(name, value));
          }
        });
      }
    }
  }
}

/** Maps URLs inside of markup and of selectors. */
function mapMarkup(map) {
  const inMarkup = html =>
    String(html).replace(/(\s(?:src|href)\s*=\s*["'])(\/[^"']*)/gi, (_, start, url) => start + map(url));
  for (const [prototype, name] of [
    [Element.prototype, 'innerHTML'],
    [Element.prototype, 'outerHTML'],
    [window.ShadowRoot && ShadowRoot.prototype, 'innerHTML']
  ]) {
    const native = prototype && Object.getOwnPropertyDescriptor(prototype, name);
    if (native) {
      redefine(prototype, name, {
        get: native.get,
        set(html) {
          native.set.call(this, html === null ? html : inMarkup(html));
        }
      });
    }
  }
  const { insertAdjacentHTML } = Element.prototype;
  Element.prototype.insertAdjacentHTML = function (where, html) {
    return insertAdjacentHTML.call(this, where, inMarkup(html));
  };
  // Vite looks for its own links by their address.
  const inSelector = selector =>
    String(selector).replace(/((?:href|src)\^?=["'])(\/[^"']*)/g, (_, start, url) => start + map(url));
  for (const prototype of [Document.prototype, Element.prototype, DocumentFragment.prototype]) {
    for (const name of ['querySelector', 'querySelectorAll']) {
      const native = prototype[name];
      prototype[name] = function (selector) {
        return native.call(this, inSelector(selector));
      };
    }
  }
}
