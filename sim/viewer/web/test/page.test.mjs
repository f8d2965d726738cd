// The page in a real browser: it opens recordings by address and by hand, and says what is wrong with others.
//
//   node --test page.test.mjs        scripts/web-test.sh sets what it needs:
//   SITE  the folder that scripts/web.sh made        RECORDING  squares with ringing walls (make_beads)
//   SHOTS the folder for screenshots                 BROWSER    default /usr/bin/chromium
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';

const { SITE, RECORDING, SHOTS, BROWSER = '/usr/bin/chromium' } = process.env;
const SIZE = { width: 1366, height: 768 };
/** What the panels leave free at that size. */
const FREE = { left: 270, top: 60, right: 1040, bottom: 470 };
const TICK_S = 250e-6;
// Where no graphics card draws, a picture can take seconds.
const PATIENCE_MS = 120_000;

const recording = readFileSync(RECORDING);
const files = {
  '/run.drydock': recording,
  '/run.drydock.gz': gzipSync(recording),
  '/cut.drydock': recording.subarray(0, recording.length / 2),
  '/letter.drydock': Buffer.from('Dear reader, this is no recording.'),
};
const TYPES = { html: 'text/html', js: 'text/javascript', wasm: 'application/wasm' };

function serve() {
  const server = createServer((request, answer) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const file = normalize(join(SITE, path === '/' ? 'index.html' : path));
    try {
      const body = files[path] ?? readFileSync(file);
      answer.writeHead(200, { 'Content-Type': TYPES[file.split('.').pop()] ?? 'application/octet-stream', 'Content-Length': body.length });
      answer.end(request.method === 'HEAD' ? undefined : body);
    } catch {
      answer.writeHead(404).end();
    }
  });
  return new Promise((go) => server.listen(0, '127.0.0.1', () => go(server)));
}

let server, browser, home;
const DRAWN_BY_A_PROCESSOR = ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'];

before(async () => {
  server = await serve();
  home = `http://127.0.0.1:${server.address().port}/`;
  browser = await chromium.launch({ executablePath: BROWSER, args: DRAWN_BY_A_PROCESSOR });
});

after(async () => {
  await browser?.close();
  server?.close();
});

async function opened(query, from = browser) {
  const page = await from.newPage({ viewport: SIZE });
  page.setDefaultTimeout(PATIENCE_MS);
  page.wrong = [];
  page.on('pageerror', (error) => page.wrong.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.wrong.push(message.text()));
  await page.goto(home + query);
  return page;
}

const isOpen = (page, name) => page.waitForFunction((name) => document.title.startsWith(name), name);
const said = (page, words) => page.waitForFunction((words) => document.querySelector('#note').textContent.includes(words), words);
const at = (page) => Number(new URL(page.url()).searchParams.get('at'));

/** The picture, as soon as two in a row are the same: nothing is still on its way. */
async function picture(page, name) {
  let last;
  for (let tries = 0; tries < 40; tries += 1) {
    // The panels show the wall's clock, which never rests.
    const { left, top, right, bottom } = FREE;
    const png = await page.screenshot({ clip: { x: left, y: top, width: right - left, height: bottom - top } });
    if (last?.equals(png)) {
      await page.screenshot({ path: join(SHOTS, `${name}.png`) });
      return measured(page, png);
    }
    last = png;
    await page.waitForTimeout(1000);
  }
  assert.fail('the picture does not come to rest');
}

/** Shares of the free part of the picture: not the background, red and blue as deviation has them. */
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

test('a link opens its recording, at its time, in its colours', async () => {
  const page = await opened('?recording=run.drydock&at=6.4&colour=deviation');
  await isOpen(page, 'run.drydock');
  const seen = await picture(page, 'link');
  console.log('link:', seen);
  assert.ok(seen.drawn > 0.1, `${seen.drawn} of the picture is drawn`);
  // A wall that swings about where it should be is off to both sides.
  // Measured: red 0.0114, blue 0.0006, of thin lines on a wide bed.
  assert.ok(seen.red > 0.005 && seen.blue > 0.0003, `red ${seen.red}, blue ${seen.blue}`);
  assert.equal(at(page), 6.4);

  // The playhead's keys, and an address that follows them.
  await page.keyboard.press('.');
  await page.waitForFunction((was) => new URL(location.href).searchParams.get('at') !== was, '6.4');
  assert.ok(Math.abs(at(page) - 6.4 - TICK_S) < 1e-9, page.url());
  await page.keyboard.press('Home');
  await page.waitForFunction(() => new URL(location.href).searchParams.get('at') === '0');
  const start = await picture(page, 'start');
  assert.ok(start.red + start.blue < 0.2 * (seen.red + seen.blue), 'at the beginning nothing is printed');
  assert.deepEqual(page.wrong, []);
  await page.close();
});

test('a file that is dropped is opened, and a second one with Shift is compared', async () => {
  const page = await opened('');
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
  await page.waitForFunction(() => document.querySelector('#note').hidden);
  const two = await picture(page, 'compared');
  assert.ok(Math.abs(two.drawn - one.drawn) > 0.01, 'two pictures side by side are not one');
  // What was dropped has no address, so there is no link to it.
  assert.equal(new URL(page.url()).search, '');
  assert.deepEqual(page.wrong, []);
  await page.close();
});

test('a packed recording opens too', async () => {
  const page = await opened('?recording=run.drydock.gz');
  await isOpen(page, 'run.drydock.gz');
  assert.deepEqual(page.wrong, []);
  await page.close();
});

test('a recording that is cut off opens as far as it goes', async () => {
  const page = await opened('?recording=cut.drydock');
  await isOpen(page, 'cut.drydock');
  assert.ok((await picture(page, 'cut')).drawn > 0.1);
  await page.close();
});

for (const [what, query, words] of [
  ['an address that leads nowhere', '?recording=nowhere.drydock', '404'],
  ['a file that is no recording', '?recording=letter.drydock', 'letter.drydock'],
  ['a server that does not answer', '?recording=http://127.0.0.1:9/run.drydock', 'CORS'],
]) {
  test(`${what} is told in the page`, async () => {
    const page = await opened(query);
    await said(page, words);
    assert.ok(await page.isVisible('#choose'), 'and another recording can be chosen');
    console.log(await page.textContent('#note'));
    await page.close();
  });
}

test('a browser without WebGL2 is told so', async () => {
  const plain = await chromium.launch({ executablePath: BROWSER, args: ['--no-sandbox', '--disable-gpu', '--disable-3d-apis'] });
  const page = await opened('', plain);
  await said(page, 'WebGL2');
  await plain.close();
});
