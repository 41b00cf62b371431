/** The cache folder, and files that are unpacked into it once, safely with several processes. For Node and Deno. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { FileError } from '../core/errors.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** RHM_CACHE, else the user's cache folder, else a private folder among the temporary files. Created if missing. */
export function cacheFolder(env: Environment): string {
  const choices = env.RHM_CACHE
    ? [env.RHM_CACHE]
    : [
        ...[env.XDG_CACHE_HOME || within(homeFolder(env), '.cache')].flatMap((f) => (f ? [join(f, 'rhm-lab')] : [])),
        join(tmpdir(), `rhm-lab-${userId()}`),
      ];
  let reason: unknown;
  for (const folder of choices) {
    try {
      makeFolder(folder);
      rmSync(mkdtempSync(join(folder, '.probe-')), { recursive: true }); // throws if the folder cannot be written
      // Libraries are loaded from here: a folder that belongs to another user cannot be trusted.
      const owner = statSync(folder).uid;
      if (owner !== userId() && owner !== 0) throw new Error(`${folder} belongs to another user`);
      return folder;
    } catch (error) {
      reason = error;
    }
  }
  throw new FileError(
    `No cache folder could be written (${(reason as Error)?.message}); set RHM_CACHE to a folder that can be`,
  );
}

/** HOME, else the home in the password file; undefined for a user without an entry there, as in many containers. */
export function homeFolder(env: Environment): string | undefined {
  if (env.HOME) return env.HOME;
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

function within(folder: string | undefined, name: string): string | undefined {
  return folder && join(folder, name);
}

/** userInfo() needs an entry in the password file; getuid() does not, but Deno requires a separate permission for it. */
function userId(): number {
  try {
    return userInfo().uid;
  } catch {
    return process.getuid?.() ?? -1;
  }
}

/** Whether libraries in a folder cannot be loaded because its mount has the option noexec. mounts: text of /proc/self/mounts. */
export function mountedNoexec(folder: string, mounts: string): boolean {
  let [deepest, options] = ['', ''];
  for (const line of mounts.split('\n')) {
    const [, point = '', , with_ = ''] = line.split(' ');
    const path = point.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
    const inside = folder === path || folder.startsWith(path === '/' ? '/' : `${path}/`);
    // Of two mounts at one place the later one is visible.
    if (path && inside && path.length >= deepest.length) [deepest, options] = [path, with_];
  }
  return options.split(',').includes('noexec');
}

/** mkdirSync's recursive option never returns for a folder in /proc (Node 20.20). */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process made it
  }
}

/**
 * The folder `name` of the cache, filled by `fill` unless all of `files` exist. Readers see it complete or not at all.
 * @throws FileError naming the folder if it cannot be filled.
 */
export function unpackOnce(
  env: Environment,
  name: string,
  files: readonly string[],
  fill: (folder: string) => void,
): string {
  const folder = join(cacheFolder(env), name);
  const complete = () => files.every((f) => (statSync(join(folder, f), { throwIfNoEntry: false })?.size ?? 0) > 0);
  if (complete()) return folder;
  let temporary: string | undefined;
  try {
    temporary = mkdtempSync(`${folder}-`);
    fill(temporary);
    // A folder that exists but lacks a file was damaged; a complete one was made by another process.
    if (existsSync(folder) && !complete()) rmSync(folder, { recursive: true, force: true });
    try {
      renameSync(temporary, folder);
    } catch (error) {
      if (!complete()) throw error;
    }
    if (!complete()) throw new Error('a file is missing from the package');
  } catch (error) {
    throw new FileError(
      `${folder} could not be filled (${(error as Error).message}); free the disk, or set RHM_CACHE to a folder that can be written`,
      { cause: error },
    );
  } finally {
    if (temporary) rmSync(temporary, { recursive: true, force: true });
  }
  return folder;
}

/** The regular files of a ustar archive. */
export function* untar(archive: Uint8Array): Generator<{ name: string; data: Uint8Array }> {
  const text = (from: number, to: number) => new TextDecoder().decode(archive.subarray(from, to)).replace(/\0.*$/s, '');
  for (let at = 0; at + 512 <= archive.length; ) {
    const name = text(at, at + 100).replace(/^\.\//, '');
    if (!name) return; // two empty blocks end an archive
    const size = Number.parseInt(text(at + 124, at + 136).trim(), 8);
    const type = text(at + 156, at + 157);
    if (type === '' || type === '0') yield { name, data: archive.subarray(at + 512, at + 512 + size) };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
