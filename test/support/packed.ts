/** The package as a user gets it: packed, and installed in an empty folder outside the repository. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Ran, run } from './run.js';

export interface Packed {
  folder: string; // a package `consumer` of type module, with rhm-lab installed
  tarball: string; // path
  remove(): void;
}

export const npm = (args: readonly string[], cwd: string): Promise<Ran> =>
  run('npm', args, { cwd, timeoutSeconds: 800 });

/** The version that runs on Node 20; users install it themselves. */
export const softwareDriver = '@sparticuz/chromium@147.0.0';

const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];

/** Packing builds what is out of date, so only one test file may do it at a time. */
async function alone(work: () => Promise<void>): Promise<void> {
  const lock = 'build/packing';
  for (let seconds = 0; ; seconds++)
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      // Packing takes ten seconds: a process that has held the lock for longer is gone.
      if (seconds > 180) rmSync(lock, { recursive: true, force: true });
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  try {
    await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** more: packages to install with it, or options of npm. */
export async function packAndInstall(...more: string[]): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'rhm-consumer-'));
  await alone(async () => {
    const packed = await npm(['pack', '--silent', '--pack-destination', folder], process.cwd());
    assert.is(packed.code, 0, packed.stderr);
  });
  const [name] = readdirSync(folder).filter((f) => f.endsWith('.tgz'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const installed = await npm(['install', ...quiet, ...more, `./${name}`], folder);
  assert.is(installed.code, 0, installed.stderr);
  return { folder, tarball: join(folder, name), remove: () => rmSync(folder, { recursive: true, force: true }) };
}
