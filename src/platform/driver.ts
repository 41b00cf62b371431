/**
 * Vulkan drivers on Linux, for Node and for Deno: which are installed, and the software driver (SwiftShader, with a
 * Vulkan loader) that the optional npm package @sparticuz/chromium carries. Needs no root and no install script.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir, userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { AdapterError, FileError } from '../core/errors.js';

/** The unpacked software driver. */
export interface SoftwareDriver {
  manifest: string; // what VK_DRIVER_FILES points to
  loader: string; // libvulkan.so.1, for systems that have none
  version: string; // of the package it comes from
}

/** Manifests of the Vulkan drivers the system's loader would find, in its order. */
export function installedDrivers(env: Record<string, string | undefined>): string[] {
  const named = env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES;
  if (named) return named.split(':').filter((f) => existsSync(f));
  const home = env.HOME || homedir();
  const roots = [
    env.XDG_CONFIG_HOME || join(home, '.config'),
    ...(env.XDG_CONFIG_DIRS || '/etc/xdg').split(':'),
    '/etc',
    env.XDG_DATA_HOME || join(home, '.local/share'),
    ...(env.XDG_DATA_DIRS || '/usr/local/share:/usr/share').split(':'),
  ];
  return [...new Set(roots)].flatMap((root) => {
    const folder = join(root, 'vulkan/icd.d');
    try {
      return readdirSync(folder)
        .filter((f) => f.endsWith('.json'))
        .map((f) => join(folder, f));
    } catch {
      return [];
    }
  });
}

/** The manifest of Mesa's software driver, if it is installed. */
export function lavapipeManifest(env: Record<string, string | undefined>): string | undefined {
  return installedDrivers(env).find((f) => /lvp|lavapipe/.test(basename(f)));
}

/**
 * Unpacks the software driver into the cache folder once; safe when several processes do so at the same time.
 * @throws AdapterError when the optional package is missing or is not for this machine; FileError when no folder can be written.
 */
export function softwareDriver(
  env: Record<string, string | undefined>,
  report: (line: string) => void = () => {},
): SoftwareDriver {
  const packed = packedDriver();
  if (!packed)
    throw new AdapterError(
      'The software Vulkan driver is missing: the optional package @sparticuz/chromium is not installed; run npm install @sparticuz/chromium, or install a Vulkan driver',
    );
  const folder = join(cacheFolder(env), `swiftshader-${packed.version}`);
  const driver = {
    manifest: join(folder, 'vk_swiftshader_icd.json'),
    loader: join(folder, 'libvulkan.so.1'),
    version: packed.version,
  };
  const complete = () =>
    [driver.manifest, driver.loader, join(folder, 'libvk_swiftshader.so')].every(
      (f) => (statSync(f, { throwIfNoEntry: false })?.size ?? 0) > 0,
    );
  if (complete()) return driver;
  report(`unpacking the SwiftShader software driver to ${folder}`);
  const temporary = mkdtempSync(`${folder}-`);
  try {
    const wanted = new Set(['vk_swiftshader_icd.json', 'libvulkan.so.1', 'libvk_swiftshader.so']);
    for (const { name, data } of untar(brotliDecompressSync(readFileSync(packed.file))))
      if (wanted.has(name)) writeFileSync(join(temporary, name), data, { mode: 0o755 });
    // A folder that is there but lacks a file was damaged by hand; a complete one is another process's work.
    if (existsSync(folder) && !complete()) rmSync(folder, { recursive: true, force: true });
    try {
      renameSync(temporary, folder);
    } catch (error) {
      if (!complete()) throw error;
    }
  } catch (error) {
    throw new FileError(
      `The software driver could not be unpacked to ${folder} (${(error as Error).message}); free the disk or set RHM_CACHE to a folder that can be written`,
      { cause: error },
    );
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return driver;
}

/** Where the package keeps the packed driver, or undefined where it is not installed. */
function packedDriver(): { file: string; version: string } | undefined {
  try {
    const require = createRequire(import.meta.url);
    const root = join(dirname(require.resolve('@sparticuz/chromium')), '..', '..');
    const file = join(root, 'bin/swiftshader.tar.br');
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return existsSync(file) ? { file, version } : undefined;
  } catch {
    return undefined;
  }
}

/** RHM_CACHE, else the user's cache folder, else a private folder beside the temporary files. Made if missing. */
export function cacheFolder(env: Record<string, string | undefined>): string {
  const choices = env.RHM_CACHE
    ? [env.RHM_CACHE]
    : [
        join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'rhm-lab'),
        join(tmpdir(), `rhm-lab-${userInfo().uid}`),
      ];
  let reason: unknown;
  for (const folder of choices) {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      rmSync(mkdtempSync(join(folder, '.probe-')), { recursive: true }); // throws where the folder cannot be written
      // Libraries are loaded from here: a folder of another user's is not to be trusted.
      const owner = statSync(folder).uid;
      if (owner !== userInfo().uid && owner !== 0) throw new Error(`${folder} belongs to another user`);
      return folder;
    } catch (error) {
      reason = error;
    }
  }
  throw new FileError(
    `No cache folder could be written (${(reason as Error)?.message}); set RHM_CACHE to a folder that can be`,
  );
}

/** The regular files of a ustar archive. */
function* untar(archive: Uint8Array): Generator<{ name: string; data: Uint8Array }> {
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
