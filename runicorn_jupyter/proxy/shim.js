function (settings) {
  var P = settings.prefix;
  'use strict';
  var L = window.location, ORG = L.protocol + '//' + L.host, WORG = ORG.replace(/^http/, 'ws');
  var def = function (o, k, d) { try { d.configurable = true; Object.defineProperty(o, k, d); } catch (e) { } };
  // ---- 1. URL mapping: same-host absolute URL -> below the prefix
  function fix(u) {
    if (typeof u !== 'string') { if (u instanceof URL) u = u.href; else return u; }
    var h = '', s = u.trim();
    if (s.indexOf(ORG + '/') === 0) { h = ORG; s = s.slice(ORG.length); }
    else if (s.indexOf(WORG + '/') === 0) { h = WORG; s = s.slice(WORG.length); }
    if (s[0] !== '/' || s[1] === '/') return h ? h + s : u;
    return (s === P || s.indexOf(P + '/') === 0) ? h + s : h + P + s;
  }
  // ---- 2. network
  var nf = window.fetch;
  window.fetch = function (i, o) {
    if (i instanceof Request) i = new Request(fix(i.url), i); else i = fix(String(i));
    return nf.call(window, i, Object.assign({}, o, { credentials: 'omit' }));
  };
  var xo = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (m, u) { var a = [].slice.call(arguments); a[1] = fix(String(u)); return xo.apply(this, a); };
  ['WebSocket', 'EventSource'].forEach(function (n) {
    var C = window[n]; if (!C) return;
    window[n] = new Proxy(C, { construct: function (t, a, nt) { a = [].slice.call(a); var u = fix(String(a[0])); a[0] = (n === 'WebSocket' && u[0] === '/') ? WORG + u : u; if (n === 'EventSource') a.length = 1; return Reflect.construct(t, a, t); } });
  });
  if (navigator.sendBeacon) { var sb = navigator.sendBeacon; navigator.sendBeacon = function (u, d) { return sb.call(navigator, fix(String(u)), d); }; }
  if (window.Worker) {
    var W = window.Worker;
    window.Worker = new Proxy(W, { construct: function (t, a) {
      var u = new URL(fix(String(a[0])), document.baseURI).href, o = a[1] || {};
      if (u.indexOf('blob:') !== 0) u = URL.createObjectURL(new Blob([o.type === 'module' ? 'import ' + JSON.stringify(u) : 'importScripts(' + JSON.stringify(u) + ')'], { type: 'text/javascript' }));
      return new t(u, o); } });
  }
  var wo = window.open;
  window.open = function (u, t, f) { return wo.call(window, u ? fix(String(u)) : u, t, f); };
  // ---- 3. element attributes (link.href of vite preload, img.src, a.href, ...)
  var AT = { src: 1, href: 1, action: 1, poster: 1, data: 1, formaction: 1 };
  var sa = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (k, v) { return sa.call(this, k, AT[String(k).toLowerCase()] ? fix(String(v)) : v); };
  [['HTMLLinkElement', 'href'], ['HTMLAnchorElement', 'href'], ['HTMLImageElement', 'src'], ['HTMLScriptElement', 'src'], ['HTMLIFrameElement', 'src'],
    ['HTMLMediaElement', 'src'], ['HTMLSourceElement', 'src'], ['HTMLEmbedElement', 'src'], ['HTMLObjectElement', 'data'], ['HTMLFormElement', 'action']].forEach(function (p) {
    var C = window[p[0]], d = C && Object.getOwnPropertyDescriptor(C.prototype, p[1]); if (!d || !d.set) return;
    def(C.prototype, p[1], { enumerable: d.enumerable, get: d.get, set: function (v) { d.set.call(this, fix(String(v))); } });
  });
  var qs = function (O, n) { var f = O.prototype[n]; O.prototype[n] = function (s) { return f.call(this, typeof s === 'string' ? s.replace(/((?:href|src)[\^]?=["'])\/(?!\/)/g, function (m, a) { return s.indexOf(P) >= 0 ? m : a + P + '/'; }) : s); }; };
  qs(Document, 'querySelector'); qs(Document, 'querySelectorAll');
  // ---- 4. storage and cookies
  function store(slot) {
    var m = new Map(); try { var all = JSON.parse(window.name || '{}'); if (all && all[slot]) m = new Map(Object.entries(all[slot])); } catch (e) { }
    function save() { var all = {}; try { all = JSON.parse(window.name || '{}') || {}; } catch (e) { } all[slot] = Object.fromEntries(m); try { window.name = JSON.stringify(all); } catch (e) { } }
    var api = { getItem: function (k) { k = String(k); return m.has(k) ? m.get(k) : null; }, setItem: function (k, v) { m.set(String(k), String(v)); save(); },
      removeItem: function (k) { m.delete(String(k)); save(); }, clear: function () { m.clear(); save(); }, key: function (i) { return Array.from(m.keys())[i] || null; } };
    return new Proxy(api, { get: function (t, k) { return k === 'length' ? m.size : k in t ? t[k] : typeof k === 'string' && m.has(k) ? m.get(k) : undefined; },
      set: function (t, k, v) { t.setItem(k, v); return true; }, has: function (t, k) { return k in t || m.has(k); }, deleteProperty: function (t, k) { t.removeItem(k); return true; },
      ownKeys: function () { return Array.from(m.keys()); }, getOwnPropertyDescriptor: function (t, k) { return m.has(k) ? { value: m.get(k), enumerable: true, configurable: true, writable: true } : undefined; } });
  }
  var ls = store('l'), ss = store('s');
  def(window, 'localStorage', { get: function () { return ls; } }); def(window, 'sessionStorage', { get: function () { return ss; } });
  def(document, 'cookie', { get: function () { return ''; }, set: function () { } });
  // ---- 5. virtual location/history: the app's path lives in the real URL's fragment "#!/runs/x?y#z"
  function vurl() {
    if (L.hash.indexOf('#!') === 0) return new URL(L.hash.slice(2) || '/', ORG);
    var p = L.pathname.indexOf(P) === 0 ? L.pathname.slice(P.length) : L.pathname;
    return new URL((p || '/') + L.search + L.hash, ORG);
  }
  function real(u) { var v = new URL(String(u), vurl()); if (v.origin !== new URL(ORG).origin) throw new DOMException('cross-origin', 'SecurityError');
    var p = v.pathname.indexOf(P + '/') === 0 ? v.pathname.slice(P.length) : v.pathname; return '#!' + p + v.search + v.hash; }
  var HP = History.prototype;
  ['pushState', 'replaceState'].forEach(function (n) { var f = HP[n]; HP[n] = function (s, t, u) { return u == null ? f.call(history, s, '') : f.call(history, s, '', real(u)); }; });
  function go(u, rep) { var v = new URL(String(u), vurl()), x;
    if (v.origin === new URL(ORG).origin) { x = real(v.href); rep ? HP.replaceState.call(history, null, '', v.pathname + v.search + v.hash) : HP.pushState.call(history, null, '', v.pathname + v.search + v.hash); L.reload(); } else L.assign(v.href); }
  var vloc = { toString: function () { return vurl().href; }, assign: function (u) { go(u); }, replace: function (u) { go(u, 1); }, reload: function () { L.reload(); }, ancestorOrigins: [] };
  ['protocol', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'].forEach(function (k) { def(vloc, k, { enumerable: true, get: function () { return vurl()[k]; }, set: function (v) { var u = vurl(); u[k] = v; go(u.href); } }); });
  def(vloc, 'origin', { get: function () { return ORG; } });
  def(vloc, 'href', { get: function () { return vurl().href; }, set: function (u) { go(u); } });
  var win = new Proxy(window, { get: function (t, k) { if (k === 'location') return vloc; if (k === 'window' || k === 'self') return win;
      var v = t[k]; return typeof v === 'function' && !Object.prototype.hasOwnProperty.call(v, 'prototype') ? v.bind(t) : v; },
    set: function (t, k, v) { if (k === 'location') { go(v); return true; } t[k] = v; return true; } });
  def(document, 'defaultView', { get: function () { return win; } });
}
