// What a viewer that was taken over does with the browser of the person who opens it, below a JupyterHub.
// Each try ends in the report as `got …` or `failed …`; the test wants to see every one of them fail.
(async () => {
  const href = window.location.href.split('#')[0];
  const prefix = href.match(/^.*\/runicorn\/v\/[0-9a-f]{32}\//)[0];
  const origin = new URL(prefix).origin;
  const mine = prefix.replace(/runicorn\/v\/.*$/, '');
  const other = origin + '/user/bob/';
  const elsewhere = origin.replace('127.0.0.1', 'localhost');
  const results = {};
  const patience = (promise) =>
    Promise.race([promise, new Promise((_, no) => setTimeout(() => no(new Error('no answer')), 3000))]);
  const attempt = async (name, tried) => {
    try {
      results[name] = `got ${String(await patience(tried())).slice(0, 200)}`;
    } catch (error) {
      results[name] = `failed: ${error && error.name}: ${error && error.message}`;
    }
  };
  const read = async (url, options) => {
    const answer = await fetch(url, { credentials: 'include', ...options });
    return `${answer.type} ${answer.status} ${await answer.text()}`;
  };
  const socket = (url) =>
    new Promise((yes, no) => {
      const made = new WebSocket(url.replace(/^http/, 'ws'));
      made.onopen = () => yes('open');
      made.onerror = () => no(new Error('refused'));
    });
  // `silent`: the browser may say nothing of it; the test looks whether a request went out.
  const blocked = (act, silent = false) =>
    new Promise((yes, no) => {
      document.addEventListener('securitypolicyviolation', (event) => no(new Error(event.violatedDirective)), {
        once: true
      });
      act();
      setTimeout(() => (silent ? no(new Error('nothing happened')) : yes('nothing stood in the way')), 1500);
    });
  const element = (tag, properties) => {
    const made = document.createElementNS('http://www.w3.org/1999/xhtml', tag);
    Object.assign(made, properties);
    return made;
  };
  const loaded = (tag, properties) =>
    new Promise((yes, no) => {
      const made = element(tag, properties);
      made.onload = () => yes('loaded');
      made.onerror = () => no(new Error('blocked'));
      document.documentElement.append(made);
    });

  // What is the person's in this browser.
  await attempt('read cookies', () => document.cookie);
  await attempt('plant a cookie', () => {
    document.cookie = 'jupyterhub-session-id=planted; path=/';
    return document.cookie;
  });
  await attempt('read localStorage of the origin', () => window.localStorage.length);
  await attempt('open a database', () => new Promise((yes, no) => {
    const asked = indexedDB.open('x');
    asked.onsuccess = () => yes('open');
    asked.onerror = () => no(new Error('refused'));
  }));
  await attempt('register a service worker', () => navigator.serviceWorker.register(`${prefix}attack.js`));

  // The hub, alice's own server, bob's, and the same under another name.
  for (const [name, url] of Object.entries({
    'the hub: who am I': `${origin}/hub/api/user`,
    'the hub: its pages': `${origin}/hub/token`,
    'the hub: its API': `${origin}/hub/api/`,
    'mine: files': `${mine}api/contents`,
    'mine: our API': `${mine}api/remote/connections`,
    'mine: the page of Lab, with its token': `${mine}lab`,
    'other: our API': `${other}api/remote/connections`,
    'by another name: the hub': `${elsewhere}/hub/api/user`
  })) {
    await attempt(`fetch ${name}`, () => read(url));
    await attempt(`fetch ${name} without CORS`, () => read(url, { mode: 'no-cors' }));
    await attempt(`load as a script ${name}`, () => loaded('script', { src: url }));
    await attempt(`load as an image ${name}`, () => loaded('img', { src: url }));
  }
  await attempt('make a token of the hub', () =>
    read(`${origin}/hub/api/users/alice/tokens`, { method: 'POST', body: '{}' }));
  await attempt('open a terminal', () => read(`${mine}api/terminals`, { method: 'POST' }));
  await attempt('write a file', () =>
    read(`${mine}api/contents/planted.txt`, {
      method: 'PUT', body: JSON.stringify({ type: 'file', format: 'text', content: 'planted' })
    }));
  await attempt('connect somewhere', () =>
    read(`${mine}api/remote/connect`, { method: 'POST', body: JSON.stringify({ host: 'gpu1' }) }));
  await attempt('listen to events', () => socket(`${mine}api/events/subscribe`));
  await attempt('talk to a terminal', () => socket(`${mine}terminals/websocket/1`));
  await attempt('beacon', () => blocked(() => navigator.sendBeacon(`${mine}api/terminals`, '{}')));
  await attempt('from a worker', () => new Promise((yes, no) => {
    const text = `fetch('${origin}/hub/api/user', { credentials: 'include' })
      .then((answer) => answer.text()).then((text) => postMessage('got ' + text), (error) => postMessage('' + error))`;
    const worker = new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
    worker.onmessage = (event) => (event.data.startsWith('got') ? yes(event.data) : no(new Error(event.data)));
    worker.onerror = () => no(new Error('refused'));
  }));

  // Forms, frames, windows; with the click of a person, without which the browser opens no window for anybody.
  let clicks = 0;
  const click = () =>
    new Promise((yes) => {
      document.addEventListener('click', yes, { once: true });
      clicks += 1;
      document.title = `click ${clicks}`;
    });
  await click();
  await attempt('read a window of the hub', async () => {
    const made = window.open(`${origin}/hub/token`);
    if (!made) throw new Error('no window');
    await new Promise((yes) => setTimeout(yes, 1500));
    return made.document.body.innerHTML;
  });
  for (const [name, target] of [['here', ''], ['in a new tab', '_blank'], ['in the top window', '_top']]) {
    await click();
    await attempt(`post a form to the hub ${name}`, () =>
      blocked(() => {
        const form = element('form', { action: `${origin}/hub/api/users/alice/tokens`, method: 'POST', target });
        document.documentElement.append(form);
        HTMLFormElement.prototype.submit.call(form);
      }, target !== ''));
  }
  await attempt('frame the hub', () =>
    blocked(() => document.documentElement.append(element('iframe', { src: `${origin}/hub/token` }))));
  await attempt('change the base of URLs', () =>
    blocked(() => {
      document.documentElement.append(element('base', { href: `${origin}/hub/` }));
      if (document.baseURI.endsWith('/hub/')) throw new Error('it moved');
    }));
  if (window.parent !== window) {
    await attempt('read the page around', () => window.parent.document.title);
    await attempt('run in the page around', () => window.parent.eval('1'));
    await attempt('move the page around', () => {
      window.top.location.href = `${origin}/hub/logout`;
      return 'moved';
    });
    await attempt('read the address of the page around', () => window.top.location.href);
  }
  document.title = 'done';
  await fetch(`${prefix}report`, { method: 'POST', body: JSON.stringify({ from: href, results }) });
})();
