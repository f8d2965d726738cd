// The page around the viewer: it has the files and the network, the viewer has the rest (sim/viewer/src/web.rs).
//
//   ?recording=URL     opened at once; &compare=URL beside it
//   &at=12.5           seconds of the run
//   &colour=deviation  what the colours say, in the words of `drydock shot --colour`

import init, { open, start } from './viewer.js';

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const DEMO = ['demo.drydock', 'demo-2.drydock'];

// ---- What is under way, and what went wrong

const underWay = new Map();

function progress(what, got, all) {
  underWay.set(what, { got, all });
  const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
  const text = [...underWay].map(([name, { got, all }]) => `${name} ${size(got)}${all ? ` of ${size(all)}` : ''}`).join(', ');
  // The card is for the time before anything is open.
  if ($('card').hidden) return note(text);
  $('bar').hidden = $('progress').hidden = false;
  $('progress').textContent = text;
  // The bar is of those whose length is known.
  const known = [...underWay.values()].filter((item) => item.all);
  const sum = (of) => known.reduce((before, item) => before + of(item), 0);
  $('bar').firstElementChild.style.width = `${known.length && (100 * sum((item) => item.got)) / sum((item) => item.all)}%`;
}

function note(text, wrong = false) {
  $('note').textContent = text;
  $('note').classList.toggle('wrong', wrong);
  $('note').hidden = !text;
}

function fail(error) {
  underWay.clear();
  note(error.message ?? String(error), true);
  welcome();
}

/** The ways in, where nothing is open. */
async function welcome() {
  if ($('card').hidden || !context()) return;
  $('bar').hidden = $('progress').hidden = true;
  $('ways').hidden = $('drop').hidden = false;
  $('demo').hidden = !(await isThere(DEMO[0]));
}

const isThere = (address) => fetch(address, { method: 'HEAD' }).then((answer) => answer.ok, () => false);

// ---- Bytes

/** The stream behind an address, unpacked where `packing` of its first bytes says how. */
async function fetched(what, address, packing) {
  const answer = await fetch(address).catch(() => {
    const why = 'there is no such server, or it lets no other page read from it (CORS, Access-Control-Allow-Origin)';
    throw new Error(`${address} could not be fetched: ${why}`);
  });
  if (!answer.ok) throw new Error(`${address}: ${answer.status} ${answer.statusText}`.trim());
  // Of what the browser unpacks by itself the length is not known.
  const all = answer.headers.get('content-encoding') ? 0 : Number(answer.headers.get('content-length'));
  let got = 0;
  const count = (chunk, out) => {
    got += chunk.length;
    progress(what, got, all);
    out.enqueue(chunk);
  };
  return unpacked(answer.body.pipeThrough(new TransformStream({ transform: count })), packing);
}

async function unpacked(stream, packing) {
  const [head, body] = stream.tee();
  const reader = head.getReader();
  // Where nothing can be read, the body says so to who wants all of it.
  const { value } = await reader.read().catch(() => ({}));
  // What nobody reads would be kept.
  reader.cancel().catch(() => {});
  const how = packing(value ?? []);
  return how ? body.pipeThrough(new DecompressionStream(how)) : body;
}

const gzipped = ([first, second]) => (first === 0x1f && second === 0x8b ? 'gzip' : null);

/** All of a stream. */
async function bytes(name, stream) {
  const all = await new Response(stream).arrayBuffer().catch(() => {
    throw new Error(`${name} breaks off before its end`);
  });
  return new Uint8Array(all);
}

// ---- The viewer

const context = () => document.createElement('canvas').getContext('webgl2');

function isDrawnByAProcessor() {
  const gl = context();
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  const name = gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

/** A server that packs with brotli does it best; from any other the page takes the packed file and unpacks it itself. */
async function viewer() {
  const head = await fetch('viewer.wasm', { method: 'HEAD' }).catch(() => null);
  const address = head?.headers.get('content-encoding') === 'br' ? 'viewer.wasm' : 'viewer.wasm.gz';
  const stream = await fetched('Viewer', address, gzipped);
  await init({ module_or_path: new Response(stream, { headers: { 'Content-Type': 'application/wasm' } }) });
  start(isDrawnByAProcessor());
}

let ready;
/** Recordings are opened one after the other, in the order in which they were asked for. */
let turn = Promise.resolve();
/** The addresses of what is open: what a link to it has to say. */
let link = {};

function show(name, loading, { beside = false, address, at, colour } = {}) {
  // What goes wrong is told when its turn comes.
  loading.catch(() => {});
  turn = turn
    .then(async () => {
      const [data] = await Promise.all([loading, ready]);
      note(`Reading ${name}…`);
      // Reading leaves the browser no time to draw the note.
      await new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
      open(address ?? name, data, beside, at, colour);
      link = beside ? { ...link, compare: address } : { recording: address };
      note('');
      underWay.clear();
      $('card').hidden = true;
      $('bevy').focus();
      if (!beside) document.title = `${name} · Drydock`;
    })
    .catch(fail);
}

function showAddress(address, options = {}) {
  const name = address.split('/').pop();
  const url = new URL(address, location.href).href;
  show(name, fetched(name, url, gzipped).then((stream) => bytes(name, stream)), { ...options, address: url });
}

function showFiles(files, beside) {
  [...files].slice(0, 2).forEach((file, nth) => {
    show(file.name, unpacked(file.stream(), gzipped).then((stream) => bytes(file.name, stream)), { beside: beside || nth > 0 });
  });
}

// ---- What the viewer asks of the page

let telling;
globalThis.drydock = {
  choose(beside) {
    $('file').onchange = () => {
      showFiles($('file').files, beside);
      $('file').value = '';
    };
    $('file').click();
  },
  load: (address, beside) => showAddress(address, { beside }),
  /** The page's address leads to what is seen, where that has one. */
  seen(at, colour, second) {
    clearTimeout(telling);
    telling = setTimeout(() => {
      const url = new URL(location.href);
      const { recording } = link;
      const compare = second ? link.compare : undefined;
      const say = recording ? { recording, compare, at: String(+at.toFixed(6)), colour } : {};
      for (const key of ['recording', 'compare', 'at', 'colour']) {
        if (say[key]) url.searchParams.set(key, say[key].replace(new URL('.', location.href).href, ''));
        else url.searchParams.delete(key);
      }
      url.search = url.search.replaceAll('%2F', '/').replaceAll('%3A', ':');
      history.replaceState(null, '', url);
    }, 300);
  },
  keep(text) {
    try {
      localStorage.setItem('drydock view', text);
    } catch {
      // A private window may keep nothing.
    }
  },
  kept() {
    try {
      return localStorage.getItem('drydock view') ?? undefined;
    } catch {
      return undefined;
    }
  },
};

// ---- Hand and keyboard

let over = 0;
const dragged = (by) => document.body.classList.toggle('over', (over = by && over + by) > 0);
addEventListener('dragenter', () => dragged(1));
addEventListener('dragleave', () => dragged(-1));
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => {
  event.preventDefault();
  dragged(0);
  showFiles(event.dataTransfer.files, event.shiftKey && $('card').hidden);
});
$('choose').onclick = () => globalThis.drydock.choose(false);
$('demo').onclick = async () => {
  const second = await isThere(DEMO[1]);
  showAddress(DEMO[0]);
  if (second) showAddress(DEMO[1], { beside: true });
};
$('note').onclick = () => note('');
$('bevy').addEventListener('contextmenu', (event) => event.preventDefault());
$('bevy').addEventListener('wheel', (event) => event.preventDefault(), { passive: false });
// The viewer's own keys do not scroll, search, save or open in the browser; the browser's others stay its own.
$('bevy').addEventListener('keydown', (event) => {
  const held = event.ctrlKey || event.metaKey;
  if (held ? /^[ofs]$/i.test(event.key) : !event.altKey && !/^F\d/.test(event.key)) event.preventDefault();
});
$('bevy').addEventListener('webglcontextlost', () => {
  note('The browser has taken the graphics card away: reload the page.', true);
});
addEventListener('error', ({ message }) => {
  note(`The viewer stopped: ${message}. The browser's console says more; reload the page.`, true);
});

// ---- Now

if (context()) {
  ready = viewer().catch((error) => Promise.reject(new Error(`The viewer was not loaded: ${error.message}`)));
  const [recording, compare, at, colour] = ['recording', 'compare', 'at', 'colour'].map((key) => query.get(key) ?? undefined);
  if (recording) showAddress(recording, { at: Number.isFinite(Number(at)) ? Number(at) : undefined, colour });
  if (recording && compare) showAddress(compare, { beside: true });
  if (!recording) ready.then(welcome, fail);
} else {
  $('bar').hidden = true;
  note('This browser does not draw with WebGL2, or it is switched off: the viewer needs it.', true);
}
