/** Programs from Debian packages, downloaded by the ordinary client and unpacked to the cache folder without being installed. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { unpackOnce } from '../../src/platform/cache.js';

/** The folder with the packages' files, `usr/bin` and so on. @throws Error naming what to install instead. */
export function debianPackages(
  name: string,
  packages: readonly string[],
  files: readonly string[],
  remedy: string,
): string {
  return unpackOnce(process.env, name, files, (target) => {
    const downloads = join(target, 'packages');
    mkdirSync(downloads, { recursive: true });
    const apt = (...args: string[]) =>
      execFileSync('apt-get', args, { cwd: downloads, stdio: ['ignore', 'ignore', 'pipe'], timeout: 300_000 });
    try {
      for (let tries = 0; ; tries++)
        try {
          apt('download', ...packages);
          break;
        } catch (error) {
          if (tries === 4) throw error;
          // No package lists yet, or old ones; another test may be fetching them and hold their lock.
          try {
            apt('update');
          } catch {}
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000 * tries);
        }
      for (const file of readdirSync(downloads)) execFileSync('dpkg-deb', ['-x', join(downloads, file), target]);
    } catch (error) {
      throw new Error(`${remedy} (${(error as Error).message})`);
    }
    rmSync(downloads, { recursive: true, force: true });
  });
}

/** LD_LIBRARY_PATH for programs of such a folder. */
export function librariesOf(folder: string): string {
  return readdirSync(join(folder, 'usr/lib'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, 'usr/lib', entry.name))
    .join(':');
}
