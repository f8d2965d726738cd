// The page in a real browser: it opens recordings by address and by hand, and says what is wrong with others.
//
//   node --test page.test.mjs        scripts/web-test.sh sets what it needs:
//   SITE  the folder that scripts/web.sh made        RECORDING  squares with ringing walls (make_beads)
//   SHOTS the folder for screenshots                 BROWSER    default /usr/bin/chromium
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';

const { SITE, RECORDING, SHOTS, BROWSER = '/usr/bin/chromium' } = process.env;
const SIZE = { width: 1366, height: 768 };
/** What the panels leave free at that size, and where the top one says what is open. */
const FREE = { left: 270, top: 60, right: 1040, bottom: 470 };
const TITLE = { left: 70, top: 4, right: 700, bottom: 26 };
const TICK_S = 250e-6;
// Where no graphics card draws, a picture can take seconds.
const PATIENCE_MS = 120_000;

const recording = readFileSync(RECORDING);
const packed = gzipSync(recording);
const files = {
  '/run.drydock': recording,
  '/run.drydock.gz': packed,
  '/cut.drydock': recording.subarray(0, recording.length / 2),
  '/cut.drydock.gz': packed.subarray(0, packed.length / 2),
  '/letter.drydock': Buffer.from('Dear reader, this is no recording.'),
};
const TYPES = { html: 'text/html', js: 'text/javascript', wasm: 'application/wasm' };

/**
 * A server of the site and of the recordings.
 *   brotli  sends viewer.wasm as viewer.wasm.br       headers  with every answer
 *   held    paths of which it sends half, and the rest when `held.release()` is called; broken: never
 */
async function serve({ brotli = false, headers = {}, held = [], broken = [] } = {}) {
  const server = createServer((request, answer) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const file = normalize(join(SITE, path === '/' ? 'index.html' : path));
    const asBrotli = brotli && path.endsWith('.wasm');
    server.asked.push(`${request.method} ${path}`);
    try {
      const body = files[path] ?? readFileSync(asBrotli ? `${file}.br` : file);
      const type = TYPES[file.split('.').pop()] ?? 'application/octet-stream';
      const encoding = asBrotli ? { 'Content-Encoding': 'br' } : {};
      answer.writeHead(200, { 'Content-Type': type, 'Content-Length': body.length, ...encoding, ...headers });
      if (request.method === 'HEAD') return answer.end();
      if (![...held, ...broken].includes(path)) return answer.end(body);
      const half = body.length >> 1;
      answer.write(body.subarray(0, half), () => broken.includes(path) && answer.destroy());
      server.release = () => answer.end(body.subarray(half));
    } catch {
      answer.writeHead(404).end();
    }
  });
  server.asked = [];
  await new Promise((go) => server.listen(0, '127.0.0.1', go));
  server.home = `http://127.0.0.1:${server.address().port}/`;
  return server;
}

/** A server for one test. */
async function lent(t, how) {
  const server = await serve(how);
  t.after(() => server.close());
  return server;
}

/** `server` has the page; the others are elsewhere. */
let server, generous, mean, gone, flaky, browser;
const FOR_ALL = { 'Access-Control-Allow-Origin': '*' };
const DRAWN_BY_A_PROCESSOR = ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'];

before(async () => {
  server = await serve();
  generous = await serve({ headers: FOR_ALL });
  mean = await serve();
  flaky = await serve({ headers: FOR_ALL, broken: ['/run.drydock'] });
  gone = await serve();
  gone.close();
  browser = await chromium.launch({ executablePath: BROWSER, args: DRAWN_BY_A_PROCESSOR });
});

after(async () => {
  await browser?.close();
  [server, generous, mean, flaky].forEach((each) => each?.close());
});

/** A page of a test, which goes with it: one that is left draws on and takes the processor. */
async function opened(t, query, { from = browser, by = server } = {}) {
  const page = await from.newPage({ viewport: SIZE });
  t.after(() => page.close());
  page.setDefaultTimeout(PATIENCE_MS);
  page.wrong = [];
  page.on('pageerror', (error) => page.wrong.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.wrong.push(message.text()));
  await page.goto(by.home + query);
  return page;
}

const isOpen = (page, name) => page.waitForFunction((name) => document.title.startsWith(name), name);
const isRead = (page) => page.waitForFunction(() => document.querySelector('#note').hidden);
const said = (page, words) => page.waitForFunction((words) => document.querySelector('#note').textContent.includes(words), words);
const at = (page) => Number(new URL(page.url()).searchParams.get('at'));
/** The page's address is a link to two recordings. */
const saysBeside = (page, name) => page.waitForFunction((name) => new URL(location.href).searchParams.get('compare') === name, name);

/** A key, and the time that playhead and address then have. */
async function pressed(page, key) {
  const was = new URL(page.url()).searchParams.get('at');
  await page.keyboard.press(key);
  await page.waitForFunction((was) => new URL(location.href).searchParams.get('at') !== was, was);
  return at(page);
}

/** A part of the page as it is. */
const shot = (page, { left, top, right, bottom }) => page.screenshot({ clip: { x: left, y: top, width: right - left, height: bottom - top } });

/** The picture, as soon as two in a row are the same: nothing is still on its way. */
async function picture(page, name) {
  let last;
  for (let tries = 0; tries < 40; tries += 1) {
    // The panels show the wall's clock, which never rests.
    const png = await shot(page, FREE);
    if (last?.equals(png)) {
      await page.screenshot({ path: join(SHOTS, `${name}.png`) });
      return measured(page, png);
    }
    last = png;
    await page.waitForTimeout(1000);
  }
  assert.fail('the picture does not come to rest');
}

/** Shares of a picture: not the background, red and blue as deviation has them. */
function measured(page, png) {
  return page.evaluate(async (data) => {
    const image = await createImageBitmap(await (await fetch(data)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
    canvas.drawImage(image, 0, 0);
    const { data: pixels } = canvas.getImageData(0, 0, image.width, image.height);
    const [ground_r, ground_g, ground_b] = pixels;
    let [drawn, red, blue] = [0, 0, 0];
    for (let i = 0; i < pixels.length; i += 4) {
      const [r, g, b] = pixels.subarray(i, i + 3);
      drawn += Math.abs(r - ground_r) + Math.abs(g - ground_g) + Math.abs(b - ground_b) > 30;
      red += r - b > 40;
      blue += b - r > 40;
    }
    const all = pixels.length / 4;
    return { drawn: drawn / all, red: red / all, blue: blue / all };
  }, `data:image/png;base64,${png.toString('base64')}`);
}

test('a link opens its recording, at its time, in its colours', async (t) => {
  const page = await opened(t, '?recording=run.drydock&at=6.4&colour=deviation');
  await isOpen(page, 'run.drydock');
  const whole = await picture(page, 'link');
  assert.ok(whole.drawn > 0.1, `${whole.drawn} of the picture is drawn`);
  // The machine has a red fan and the trail is orange: only the part is measured.
  await page.keyboard.press('m');
  await page.keyboard.press('t');
  const part = await picture(page, 'part');
  console.log('link:', whole, 'part:', part);
  // A wall that swings about where it should be is off to both sides.
  assert.ok(part.red > 0.001 && part.blue > 0.0003, `red ${part.red}, blue ${part.blue}`);
  assert.equal(at(page), 6.4);

  // The playhead's keys, and an address that follows them.
  assert.ok(Math.abs((await pressed(page, '.')) - 6.4 - TICK_S) < 1e-9, page.url());
  assert.equal(await pressed(page, 'Home'), 0);
  const start = await picture(page, 'start');
  assert.deepEqual([start.red, start.blue], [0, 0], 'at the beginning nothing is printed');
  assert.deepEqual(page.wrong, []);
});

test('a file that is dropped is opened, and a second one with Shift is compared', async (t) => {
  const page = await opened(t, '');
  await page.waitForSelector('#choose');
  const drop = (name, shiftKey) => page.evaluate(async ([name, shiftKey]) => {
    const bytes = await (await fetch('run.drydock')).arrayBuffer();
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name));
    document.querySelector('#card').dispatchEvent(new DragEvent('drop', { dataTransfer, shiftKey, bubbles: true, cancelable: true }));
  }, [name, shiftKey]);
  await drop('mine.drydock', false);
  await isOpen(page, 'mine.drydock');
  const one = await picture(page, 'dropped');
  assert.ok(one.drawn > 0.1, `${one.drawn} of the picture is drawn`);
  await drop('second.drydock', true);
  await isRead(page);
  const two = await picture(page, 'compared');
  assert.ok(Math.abs(two.drawn - one.drawn) > 0.01, 'two pictures side by side are not one');
  // What was dropped has no address, so there is no link to it.
  assert.equal(new URL(page.url()).search, '');
  assert.deepEqual(page.wrong, []);
});

test('a file that is chosen with the button is opened', async (t) => {
  const page = await opened(t, '');
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.click('#choose')]);
  await chooser.setFiles({ name: 'chosen.drydock', mimeType: 'application/octet-stream', buffer: recording });
  await isOpen(page, 'chosen.drydock');
  assert.deepEqual(page.wrong, []);
});

test('the demo opens with one click, and its second recording beside it', async (t) => {
  assert.ok(existsSync(join(SITE, 'demo.drydock')) && existsSync(join(SITE, 'demo-2.drydock')), 'scripts/web.sh was given two recordings');
  const page = await opened(t, '');
  await page.click('#demo');
  await isOpen(page, 'demo.drydock');
  // The link to it says so.
  await saysBeside(page, 'demo-2.drydock');
  assert.deepEqual(page.wrong, []);
});

test('a link with two recordings compares them', async (t) => {
  const page = await opened(t, '?recording=run.drydock&at=2&compare=' + encodeURIComponent(server.home + 'run.drydock.gz'));
  await isOpen(page, 'run.drydock ');
  await saysBeside(page, 'run.drydock.gz');
  assert.equal(at(page), 2);
  assert.deepEqual(page.wrong, []);
});

test('a recording that is cut off opens as far as it goes, and the top line says so', async (t) => {
  const [whole, cut] = [await opened(t, '?recording=run.drydock'), await opened(t, '?recording=cut.drydock')];
  const said = [];
  for (const [page, name] of [[whole, 'run'], [cut, 'cut']]) {
    await isOpen(page, `${name}.drydock`);
    assert.ok((await picture(page, name)).drawn > 0.1);
    said.push((await measured(page, await shot(page, TITLE))).red);
    await page.close();
  }
  console.log('yellow in the title:', said);
  assert.ok(said[0] === 0 && said[1] > 0.01, `yellow: ${said}`);
});

test('what is on its way is told, with how much of it is there', async (t) => {
  const slow = await lent(t, { held: ['/viewer.wasm.gz'] });
  const page = await opened(t, '?recording=run.drydock', { by: slow });
  await page.waitForFunction(() => /Viewer [\d.]+ MB of [\d.]+ MB.*run\.drydock/.test(document.querySelector('#progress').textContent));
  const share = await page.evaluate(() => {
    const bar = document.querySelector('#bar');
    return bar.firstElementChild.getBoundingClientRect().width / bar.getBoundingClientRect().width;
  });
  assert.ok(Math.abs(share - 0.5) < 0.02, `the bar is at ${share}`);
  await page.screenshot({ path: join(SHOTS, 'loading.png') });
  slow.release();
  await isOpen(page, 'run.drydock');
  assert.deepEqual(page.wrong, []);
});

test('a server that packs with brotli sends the viewer so, and nothing else of it', async (t) => {
  const good = await lent(t, { brotli: true });
  const page = await opened(t, '?recording=run.drydock', { by: good });
  await isOpen(page, 'run.drydock');
  assert.deepEqual(good.asked.filter((what) => what.includes('.wasm')), ['HEAD /viewer.wasm', 'GET /viewer.wasm']);
  assert.deepEqual(page.wrong, []);
});

test('another server gives a recording to the page where it allows that', async (t) => {
  const page = await opened(t, `?recording=${generous.home}run.drydock`);
  await isOpen(page, 'run.drydock');
  assert.deepEqual(page.wrong, []);
});

for (const [what, query, words] of [
  ['an address that leads nowhere', () => '?recording=nowhere.drydock', 'nowhere.drydock: 404'],
  ['a file that is no recording', () => '?recording=letter.drydock', 'letter.drydock'],
  ['a packed file that is cut off', () => '?recording=cut.drydock.gz', 'cut.drydock.gz breaks off'],
  ['a connection that breaks', () => `?recording=${flaky.home}run.drydock`, 'run.drydock breaks off'],
  ['a server that does not answer', () => `?recording=${gone.home}run.drydock`, 'no such server'],
  ['a server that does not let others read', () => `?recording=${mean.home}run.drydock`, 'Access-Control-Allow-Origin'],
]) {
  test(`${what} is told in the page`, async (t) => {
    const page = await opened(t, query());
    await said(page, words);
    console.log(await page.textContent('#note'));
    await page.waitForSelector('#choose');
    // And another recording can be opened all the same.
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.click('#choose')]);
    await chooser.setFiles({ name: 'another.drydock', mimeType: 'application/octet-stream', buffer: recording });
    await isOpen(page, 'another.drydock');
    });
}

test('a viewer that does not come whole is told in the page', async (t) => {
  const poor = await lent(t, { broken: ['/viewer.wasm.gz'] });
  const page = await opened(t, '', { by: poor });
  await said(page, 'The viewer was not loaded');
  console.log(await page.textContent('#note'));
});

test('a browser without WebGL2 is told so', async (t) => {
  const plain = await chromium.launch({ executablePath: BROWSER, args: ['--no-sandbox', '--disable-gpu', '--disable-3d-apis'] });
  t.after(() => plain.close());
  const page = await opened(t, '', { from: plain });
  await said(page, 'WebGL2');
  await page.screenshot({ path: join(SHOTS, 'no-webgl2.png') });
});
