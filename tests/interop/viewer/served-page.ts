/** A viewer's page, bundled and served on loopback, open in a real Chromium. */
import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Page } from 'puppeteer-core';
import { openBrowser } from '../../support/browser.ts';

export interface ServedPage {
  /** As browsers write it: what the hub's configuration has to allow. */
  readonly origin: string;
  readonly page: Page;
  /** What the page and its requests complained of. */
  readonly complaints: readonly string[];
  stop(): Promise<void>;
}

const NOTHING = join(import.meta.dirname, 'nothing.cjs');
const WORKER = '@cornerstonejs/dicom-image-loader/dist/esm/decodeImageFrameWorker.js';

/** @param entry - of the page's code, in this folder */
export async function openPage(entry: 'page' | 'segmentation' = 'page'): Promise<ServedPage> {
  const folder = await mkdtemp(join(tmpdir(), 'hub-viewer-'));
  const require = createRequire(import.meta.url);
  await build({
    // The loader looks for its worker beside itself.
    entryPoints: {
      page: join(import.meta.dirname, `${entry}.mjs`),
      decodeImageFrameWorker: join(require.resolve('@cornerstonejs/core/package.json'), '../../../', WORKER),
    },
    outdir: folder,
    bundle: true,
    format: 'esm',
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    // vtk.js writes XML files with the one; decoders read their WebAssembly with the others where they run in Node.
    alias: Object.fromEntries(['xmlbuilder2', 'fs', 'path', 'module'].map((name) => [name, NOTHING])),
  });
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (pathname === '/') {
      response.setHeader('Content-Type', 'text/html');
      response.end(
        '<!doctype html><title>viewer</title><link rel="icon" href="data:,"><body style="margin: 0"><script type="module" src="/page.js"></script>',
      );
      return;
    }
    const isDecoder = pathname.startsWith('/@cornerstonejs/');
    const file = isDecoder ? require.resolve(pathname.slice(1)) : join(folder, pathname.replaceAll('..', ''));
    response.setHeader('Content-Type', isDecoder ? 'application/wasm' : 'text/javascript');
    createReadStream(file)
      .on('error', () => response.writeHead(404).end())
      .pipe(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const origin = `http://127.0.0.1:${address.port}`;

  // WebGL is computed by the processor.
  const browser = await openBrowser(folder, ['--use-angle=swiftshader', '--enable-unsafe-swiftshader']);
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('requestfailed', (request) => complaints.push(`${request.url()} ${request.failure()?.errorText ?? ''}`));
  await page.setViewport(entry === 'page' ? { width: 800, height: 300 } : { width: 512, height: 512 });
  await page.goto(origin);
  return {
    origin,
    page,
    complaints,
    stop: async () => {
      await browser.close();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
