/*
 * The shim's third part: a page that Jupyter shows is as dark as Jupyter is, unless the page's own settings say which
 * it is to be. Runicorn's are "auto" at first, and ask the browser, which knows of the system alone. See shim.js.
 */

const SCHEMES = ['dark', 'light'];

/** Reads what is kept in the window's name: runicorn (the session's storage), and scheme. */
function readName() {
  try {
    return JSON.parse(window.name) || {};
  } catch (error) {
    return {}; // a name from elsewhere, or none
  }
}

function writeName(values) {
  window.name = JSON.stringify({ ...readName(), ...values });
}

/** Lets prefers-color-scheme be what the window around says, at first in the frame's name, then in messages. */
function followColorScheme() {
  if (window.parent === window) {
    return;
  }
  const native = window.matchMedia.bind(window);
  let { scheme } = readName();
  const lists = Object.fromEntries(SCHEMES.map(each => [each, mediaList(each)]));

  function mediaList(own) {
    const list = new EventTarget();
    const system = native(`(prefers-color-scheme: ${own})`);
    redefine(list, 'matches', {
      get: () => (SCHEMES.includes(scheme) ? scheme === own : system.matches)
    });
    list.media = system.media;
    list.onchange = null;
    list.addListener = listener => list.addEventListener('change', listener);
    list.removeListener = listener => list.removeEventListener('change', listener);
    list.addEventListener('change', event => list.onchange && list.onchange(event));
    system.addEventListener('change', () => SCHEMES.includes(scheme) || tell(list));
    return list;
  }
  function tell(list) {
    const { matches, media } = list;
    list.dispatchEvent(Object.assign(new Event('change'), { matches, media }));
  }
  // The canvas below the page, scrollbars and fields; before anything is drawn, lest it flash white.
  function paint() {
    let own = '';
    try {
      own = JSON.parse(localStorage.getItem('ui_settings')).themeMode;
    } catch (error) {
      own = ''; // not set yet
    }
    const used = [own, scheme].find(each => SCHEMES.includes(each));
    document.documentElement.style.colorScheme = used || '';
  }

  window.matchMedia = query => {
    const asked = /^\s*\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)\s*$/.exec(query);
    return asked ? lists[asked[1]] : native(query);
  };
  window.addEventListener('message', ({ source, data }) => {
    if (source === window.parent && data && data.type === 'runicorn:scheme') {
      ({ scheme } = data);
      writeName({ scheme });
      paint();
      Object.values(lists).forEach(tell);
    }
  });
  window.addEventListener('runicorn:stored', paint);
  paint();
}
