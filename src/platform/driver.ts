/**
 * Vulkan drivers on Linux, for Node and Deno: which are installed, and the software driver (SwiftShader, with a Vulkan loader)
 * from the optional npm package @sparticuz/chromium. Needs neither root nor an install script.
 */
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { brotliDecompressSync } from 'node:zlib';
import { AdapterError, FileError } from '../core/errors.js';
import { type Environment, homeFolder, mountedNoexec, unpackOnce, untar } from './cache.js';

/** The unpacked software driver. */
export interface SoftwareDriver {
  manifest: string; // what VK_DRIVER_FILES points to
  loader: string; // libvulkan.so.1, for systems without one
  version: string; // version of the package that contains it
}

/** CPU time of this process in milliseconds, over all threads, including the driver's. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Manifests of the Vulkan drivers that the system's loader would find, in its order. */
export function installedDrivers(env: Environment): string[] {
  const named = env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES;
  if (named) return named.split(':').filter((f) => existsSync(f));
  const home = homeFolder(env) ?? '/';
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
export function lavapipeManifest(env: Environment): string | undefined {
  return installedDrivers(env).find((f) => /lvp|lavapipe/.test(basename(f)));
}

/**
 * Unpacks the software driver into the cache folder once; safe if several processes do so at the same time.
 * @throws AdapterError if the optional package is missing or is not for this machine; FileError if no folder can be written.
 */
export function softwareDriver(env: Environment, report: (line: string) => void = () => {}): SoftwareDriver {
  const packed = packedChromium();
  const file = packed && join(packed.bin, 'swiftshader.tar.br');
  if (!file || !existsSync(file))
    throw new AdapterError(
      'The software Vulkan driver is missing: the optional package @sparticuz/chromium is not installed; run npm install @sparticuz/chromium@147.0.0, or install a Vulkan driver',
    );
  const files = ['vk_swiftshader_icd.json', 'libvulkan.so.1', 'libvk_swiftshader.so'];
  const folder = unpackOnce(env, `swiftshader-${packed.version}`, files, (target) => {
    report(`unpacking the SwiftShader software driver to ${dirname(target)}`);
    for (const { name, data } of untar(brotliDecompressSync(readFileSync(file))))
      if (files.includes(name)) writeFileSync(join(target, name), data, { mode: 0o755 });
  });
  const mounts = '/proc/self/mounts';
  if (existsSync(mounts) && mountedNoexec(realpathSync(folder), readFileSync(mounts, 'utf8')))
    throw new FileError(
      `${folder}: the file system is mounted noexec, so that the software driver in it cannot be loaded; set RHM_CACHE to a folder on another one`,
    );
  return { manifest: join(folder, files[0]), loader: join(folder, files[1]), version: packed.version };
}

/** The folder of the optional package's packed files, or undefined if it is not installed. */
export function packedChromium(): { bin: string; version: string } | undefined {
  try {
    const require = createRequire(import.meta.url);
    const root = join(dirname(require.resolve('@sparticuz/chromium')), '..', '..');
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { bin: join(root, 'bin'), version };
  } catch {
    return undefined;
  }
}
