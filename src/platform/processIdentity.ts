/**
 * Which process wrote something, and whether it is still running. Process numbers are reused, and containers number processes separately.
 * Node and Deno.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessIdentity {
  pid: number;
  host: string;
  /** Start time of the process in clock ticks since boot; '' if the system does not provide it. */
  started: string;
  /** Identifies this boot of the machine; absent or '': unknown. */
  boot?: string;
  /** Namespace of the process number; absent or '': unknown. */
  namespace?: string;
}

export function thisProcess(): ProcessIdentity {
  const { pid } = process;
  return { pid, host: hostname(), started: startOf(pid), boot: bootId(), namespace: pidNamespace() };
}

/** undefined: it cannot be observed from here: another machine, another container, another user's process without a start time. */
export function isRunning({ pid, host, started, boot, namespace }: ProcessIdentity): boolean | undefined {
  if (host !== hostname()) return undefined;
  if (boot && boot !== bootId()) return undefined; // rebooted, or another machine of the same name
  if (namespace && namespace !== pidNamespace()) return undefined;
  if (!Number.isSafeInteger(pid) || pid < 1) return false; // 0 and -1 mean groups of processes to kill()
  if (!hasProcess(pid)) return false;
  const found = startOf(pid);
  return started && found ? started === found : undefined;
}

/** Whether a process of this machine has the number, including other users' processes. */
export function hasProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A name for this machine's process numbering, valid in file names: process numbers with the same name can be compared. */
export function machineName(): string {
  const text = [hostname(), bootId(), pidNamespace()].join();
  let hash = 0x811c9dc5; // FNV-1a
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}

function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return '';
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
