/** The package as a user gets it: packed, and installed in an empty folder outside the repository. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Ran, run } from './run.js';

export interface Packed {
  folder: string; // a package `consumer` of modules, with rhm-lab installed
  tarball: string; // path
  remove(): void;
}

export const npm = (args: readonly string[], cwd: string): Promise<Ran> =>
  run('npm', args, { cwd, timeoutSeconds: 800 });

const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];

/** more: packages to install beside it, or options of npm. */
export async function packAndInstall(...more: string[]): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'rhm-consumer-'));
  const packed = await npm(['pack', '--silent', '--pack-destination', folder], process.cwd());
  assert.is(packed.code, 0, packed.stderr);
  const [name] = readdirSync(folder).filter((f) => f.endsWith('.tgz'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const installed = await npm(['install', ...quiet, ...more, `./${name}`], folder);
  assert.is(installed.code, 0, installed.stderr);
  return { folder, tarball: join(folder, name), remove: () => rmSync(folder, { recursive: true, force: true }) };
}
