/**
 * Set-up shared by every npm script: installs the packages of the lock file if they are missing or out of date. Imports only modules of
 * Node, because it runs before anything is installed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** One line of progress on standard error. */
export const say = (line) => process.stderr.write(`[rhm] ${line}\n`);

/** Exits with one paragraph and status 1. */
export function fail(message) {
  process.stderr.write(`[rhm] ${message}\n`);
  process.exit(1);
}

/** Installs the packages unless the installed ones already match the lock file. Needs no network in that case. */
export function ensureInstalled() {
  const major = Number(process.versions.node.split('.')[0]);
  if (!(major >= 20)) fail(`Node ${process.versions.node} is too old: Node 20 or newer is needed`);
  if (installedFits()) return;
  say('installing packages with npm ci (about a minute the first time)');
  const started = Date.now();
  // No package needs its install script: binaries are inside the packages, and npm 11 blocks the scripts anyway.
  const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (npm.error?.code === 'ENOENT') fail('npm was not found; install it (Debian: apt-get install npm) and try again');
  if (npm.status !== 0)
    fail(`npm ci failed (exit ${npm.status ?? npm.signal}); see its message above, check the network and try again`);
  say(`packages installed in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

/** Whether node_modules holds the versions of the lock file (optional packages for other systems may be absent). */
function installedFits() {
  const installedFile = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return false;
  try {
    const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
    const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    return Object.entries(locked).every(([path, { version, optional }]) => {
      if (!path) return true;
      if (!installed[path]) return optional === true;
      return installed[path].version === version && existsSync(join(root, path));
    });
  } catch {
    return false;
  }
}
