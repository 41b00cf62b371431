/** Where a file named by a user is written: links are followed; devices, pipes and open descriptors are written through, never replaced. */
import { readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { InputError } from '../core/errors.js';

export type OutputTarget =
  | { kind: 'through'; path: string } // written directly
  | { kind: 'file'; path: string; before?: Stats }; // replaced once complete; before: the existing regular file

const MOST_LINKS = 40; // in a chain, as in Linux

/** @throws InputError for an empty name or links in a circle */
export function outputTarget(name: string): OutputTarget {
  if (!name) throw new InputError('output: an empty name; pass the path of a file');
  const before = statSync(name, { throwIfNoEntry: false });
  if (before && !before.isFile() && !before.isDirectory()) return { kind: 'through', path: name };
  const path = before ? realpathSync(name) : behindLinks(name);
  // /dev/stdout may be a file that a shell holds open: a file that replaced it would not receive what the shell reads.
  if (isOfSystem(name) || isOfSystem(path)) return { kind: 'through', path: name };
  return { kind: 'file', path, before: before?.isFile() ? before : undefined };
}

/** The target of a link, even if it does not exist yet. */
function behindLinks(name: string): string {
  let path = name;
  for (let i = 0; i < MOST_LINKS; i++) {
    let next: string;
    try {
      next = readlinkSync(path);
    } catch {
      return path;
    }
    path = isAbsolute(next) ? next : join(dirname(path), next);
  }
  throw new InputError(`${name}: the links form a circle; name another file`);
}

function isOfSystem(path: string): boolean {
  try {
    return /^\/(dev|proc)\/(?!shm\/)/.test(join(realpathSync(dirname(path)), basename(path)));
  } catch {
    return false;
  }
}
