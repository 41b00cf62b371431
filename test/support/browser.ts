/**
 * A real headless Chromium with WebGPU: RHM_CHROMIUM, else the one inside npm @sparticuz/chromium (unpacked to the cache folder
 * with the few libraries it needs, so that a bare machine runs it), else one installed on the system. Without a browser the test
 * fails.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { type Browser, chromium, type Page } from 'playwright-core';
import { unpackOnce, untar } from '../../src/platform/cache.js';
import { packedChromium } from '../../src/platform/driver.js';

export const gpuFlags = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** Starts the browser; `flags` default to those that enable WebGPU on the CPU. */
export async function launchBrowser(flags: readonly string[] = gpuFlags): Promise<Browser> {
  const { executablePath, env } = findBrowser();
  return chromium.launch({
    executablePath,
    env: { ...process.env, ...env } as Record<string, string>,
    args: ['--no-sandbox', ...flags],
    timeout: 60_000,
  });
}

/** A page whose console errors and uncaught exceptions are collected. */
export async function openPage(browser: Browser, url: string): Promise<{ page: Page; problems: string[] }> {
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  await page.goto(url);
  return { page, problems };
}

const systemBrowsers = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

function findBrowser(): { executablePath: string; env: NodeJS.ProcessEnv } {
  if (process.env.RHM_CHROMIUM) return { executablePath: process.env.RHM_CHROMIUM, env: {} };
  const packed = packedChromium();
  if (packed && process.platform === 'linux' && process.arch === 'x64') {
    const folder = unpackOnce(process.env, `chromium-${packed.version}`, ['chromium', 'libEGL.so'], (target) => {
      const read = (name: string) => brotliDecompressSync(readFileSync(join(packed.bin, name)));
      writeFileSync(join(target, 'chromium'), read('chromium.br'), { mode: 0o755 });
      for (const archive of ['swiftshader.tar.br', 'al2023.tar.br', 'fonts.tar.br'])
        for (const { name, data } of untar(read(archive))) {
          mkdirSync(dirname(join(target, name)), { recursive: true });
          writeFileSync(join(target, name), data, { mode: 0o755 });
        }
    });
    const libraries = [join(folder, 'lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
    return {
      executablePath: join(folder, 'chromium'),
      env: { LD_LIBRARY_PATH: libraries, FONTCONFIG_PATH: join(folder, 'fonts') },
    };
  }
  const executablePath = systemBrowsers.find((path) => existsSync(path));
  if (!executablePath)
    throw new Error('no Chromium: npm install @sparticuz/chromium, or install one and set RHM_CHROMIUM to its path');
  return { executablePath, env: {} };
}
