/** Facts about the machine for a run's records. Node and Deno. */
import { availableParallelism, cpus, release, type } from 'node:os';
import process from 'node:process';
import type { Host } from '../core/records.js';

/**
 * `allowed`: whether the runtime lets this program query the system for a fact (Deno would prompt at the terminal).
 * @returns runtime, `Linux 6.12.1 x64` and `AMD EPYC 9B14, 16 cores`, as far as available
 */
export function hostOf(runtime: string, allowed: (fact: 'osRelease' | 'cpus') => boolean = () => true): Host {
  const version = fact(() => (allowed('osRelease') ? release() : undefined));
  const os = [fact(type) ?? process.platform, version, process.arch].filter(Boolean).join(' ');
  const model = fact(() => (allowed('cpus') ? cpus()[0]?.model.trim().replace(/\s+/g, ' ') : undefined));
  const cores = fact(availableParallelism);
  const processor = [model, cores && `${cores} core${cores === 1 ? '' : 's'}`].filter(Boolean).join(', ');
  return { runtime, os, ...(processor && { processor }) };
}

function fact<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
