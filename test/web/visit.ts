/** The built page in a real browser, with all errors on the way. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { suite } from 'uvu';
import { type ServeOptions, type StaticServer, serveFolder } from '../../src/platform/staticServer.js';
import { launchBrowser } from '../support/browser.js';

export interface Visit {
  page: Page;
  context: BrowserContext;
  /** Console errors, uncaught exceptions, policy violations, requests to other hosts. */
  problems: string[];
}

export interface VisitOptions {
  width?: number;
  height?: number;
  dark?: boolean;
  hash?: string;
  ready?: string; // what is waited for
  offline?: boolean; // with the service worker that keeps the page
  context?: BrowserContext; // of an earlier visit: the same stored runs
}

export const servePage = (options: ServeOptions = {}): Promise<StaticServer> =>
  serveFolder(resolve('dist/page'), options);

export { launchBrowser };

/** What a suite of the page uses: a browser, the built page served, a folder that is removed at the end. */
export interface Site {
  browser: Browser;
  server: StaticServer;
  folder: string;
}

/** A suite with a separate site. Only its tests and hooks may use the site's browser and server. */
export function pageSuite(name: string): { test: ReturnType<typeof suite>; site: Site } {
  const test = suite(name);
  const site = { folder: mkdtempSync(join(tmpdir(), 'rhm-page-')) } as Site;
  test.before(async () => {
    site.browser = await launchBrowser();
    site.server = await servePage();
  });
  test.after(async () => {
    await site.browser?.close();
    await site.server?.close();
    rmSync(site.folder, { recursive: true, force: true });
  });
  return { test, site };
}

export async function visit(browser: Browser, url: string, options: VisitOptions = {}): Promise<Visit> {
  const { width = 1280, height = 900, dark = false, hash = '' } = options;
  const context =
    options.context ??
    (await browser.newContext({
      viewport: { width, height },
      colorScheme: dark ? 'dark' : 'light',
      acceptDownloads: true,
      // A service worker would hide the page's files from the faults that tests inject.
      serviceWorkers: options.offline ? 'allow' : 'block',
    }));
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || /Content.Security.Policy/i.test(message.text())) problems.push(message.text());
  });
  const origin = new URL(url).origin;
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !/^(data|blob):/.test(request.url()))
      problems.push(`asked for ${request.url()}`);
  });
  await page.goto(url + hash);
  await page.waitForSelector(options.ready ?? 'html[data-ready]', { state: 'attached' });
  return { page, context, problems };
}

/** A setting that is learnt in seconds. */
export const quickSetting = {
  grammar: { v: 4, n: 4, m: 2, s: 2, L: 2, seed: 1 },
  networks: [
    { model: { kind: 'hcnn', width: 16 }, optimiser: { kind: 'sgd', rate: 1 } },
    { model: { kind: 'mla', channels: 16, heads: 2 }, optimiser: { kind: 'adamw', rate: 5e-3 } },
  ],
  budget: { batch: 16, steps: 200 },
  evaluation: { size: 256, perDoubling: 2 },
  measures: ['invariance'],
  replicas: 2,
  seed: 3,
};

export const linkTo = (setting: unknown): string =>
  `#setting=${Buffer.from(JSON.stringify(setting)).toString('base64url')}`;

/** Waits until every network reports such a state. */
export async function waitForStates(page: Page, state: RegExp, timeout = 120_000): Promise<void> {
  await page.waitForFunction(
    (pattern) => {
      const states = [...document.querySelectorAll('.network .state')].map((e) => e.textContent ?? '');
      return states.length > 0 && states.every((s) => new RegExp(pattern).test(s));
    },
    state.source,
    { timeout },
  );
}

/** The menu for the seed of the first network's cloud; the second network's may appear before it. */
export const seedOfFirstCloud = (page: Page): Locator =>
  page.locator('#representation .network').first().locator('[data-field=seed]');

/** Records without what depends on the machine and its clock: check sums include times too. */
export function comparable(lines: string): Record<string, unknown>[] {
  const all = lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return all.filter((r) => r.type !== 'start' && r.type !== 'check').map(({ elapsed_ms: _, ...rest }) => rest);
}
