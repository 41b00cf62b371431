/** The graphics cards of a machine, with the device files through which drivers open them. Linux; Node and Deno. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { simulatedCards } from './simulated.js';

export interface Card {
  readonly index: number; // position in the list: NVIDIA's by PCI address, as nvidia-smi numbers them, then the others
  readonly name: string; // cards of the same name give the same bits
  readonly pci: string; // address: domain:bus:device.function
  readonly uuid?: string; // NVIDIA's
  readonly files: readonly string[]; // device files: a process that cannot open them cannot use the card
  readonly devices: readonly string[]; // what these files refer to: deviceOf
}

/** What a file refers to, independent of its name: a device by its numbers, any other file by its place on the disk. */
export const deviceOf = (stats: Stats): string =>
  stats.isCharacterDevice() ? `device ${stats.rdev}` : `file ${stats.dev}:${stats.ino}`;

/**
 * The cards that this process may open: cards withheld by a container or a batch system are not included. `root`: where the
 * system's folders are, for tests.
 */
export function listCards(env: Readonly<Record<string, string | undefined>>, root = '/'): Card[] {
  const simulated = simulatedCards(env);
  if (simulated) return numbered(simulated);
  if (process.platform !== 'linux') return [];
  const nvidia = nvidiaCards(root).sort(byAddress);
  const known = new Set(nvidia.map(({ pci }) => pci));
  const others = drmCards(root).filter(({ pci }) => !known.has(pci));
  return numbered([...nvidia, ...others.sort(byAddress)]);
}

export type FoundCard = Omit<Card, 'index' | 'devices'>;

function numbered(found: readonly FoundCard[]): Card[] {
  return found
    .flatMap((card) => {
      const devices = card.files.flatMap((file) => usable(file) ?? []);
      return devices.length === card.files.length && devices.length ? [{ ...card, devices }] : [];
    })
    .map((card, index) => ({ ...card, index }));
}

/** What a file refers to; undefined: missing, or withheld from this process (also by a batch system's device control group). */
function usable(file: string): string | undefined {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return deviceOf(statSync(file));
  } catch {
    return undefined;
  }
}

const byAddress = (a: FoundCard, b: FoundCard): number => (a.pci < b.pci ? -1 : Number(a.pci > b.pci));

function nvidiaCards(root: string): FoundCard[] {
  const folder = join(root, 'proc/driver/nvidia/gpus');
  const found = entries(folder).flatMap((pci) => {
    const text = read(join(folder, pci, 'information')) ?? '';
    const minor = field(text, 'Device Minor');
    return minor === undefined
      ? []
      : [{ minor, pci, name: field(text, 'Model') ?? 'NVIDIA', uuid: field(text, 'GPU UUID') }];
  });
  // If a sandbox hides the driver's folder in /proc there may still be device files, and nvidia-smi to name them.
  const files = entries(join(root, 'dev')).filter((name) => /^nvidia\d+$/.test(name));
  const told = found.length || !files.length ? found : fromNvidiaSmi();
  return told.map(({ minor, pci, name, uuid }) => ({
    name,
    pci: address(pci),
    ...(uuid && { uuid }),
    files: [join(root, 'dev', `nvidia${minor}`)],
  }));
}

/** Lines `Product Name : NVIDIA H200` below `GPU 00000000:1B:00.0`. */
function fromNvidiaSmi(): { minor: string; pci: string; name: string; uuid?: string }[] {
  let text: string;
  try {
    text = execFileSync('nvidia-smi', ['-q'], {
      encoding: 'utf8',
      timeout: 30_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return [];
  }
  return text
    .split(/^GPU (?=[0-9a-f]{8}:)/im)
    .slice(1)
    .flatMap((part) => {
      const minor = field(part, 'Minor Number');
      const pci = /^\S+/.exec(part)![0];
      if (!/^\d+$/.test(minor ?? '')) return [];
      return [{ minor: minor!, pci, name: field(part, 'Product Name') ?? 'NVIDIA', uuid: field(part, 'GPU UUID') }];
    });
}

const makers: Readonly<Record<string, string>> = { '0x1002': 'AMD', '0x10de': 'NVIDIA', '0x8086': 'Intel' };

/** Cards of the kernel's graphics drivers (AMD, Intel, nouveau): those with a file for computing, renderD128 and up. */
function drmCards(root: string): FoundCard[] {
  const folder = join(root, 'sys/class/drm');
  return entries(folder)
    .filter((name) => /^renderD\d+$/.test(name))
    .flatMap((name) => {
      const device = join(folder, name, 'device');
      const pci = attempt(() => basename(realpathSync(device)));
      if (!pci || !/^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i.test(pci)) return [];
      const vendor = read(join(device, 'vendor'))?.trim() ?? '';
      const model = read(join(device, 'product_name'))?.trim() || read(join(device, 'device'))?.trim() || '';
      // The card's other file, card0 and up, is for screens; a driver may open it too if it exists.
      const screens = entries(join(device, 'drm')).filter((entry) => /^card\d+$/.test(entry));
      const files = [name, ...screens].map((file) => join(root, 'dev/dri', file));
      const isThere = files.filter((file, i) => i === 0 || usable(file) !== undefined);
      return [{ name: `${makers[vendor] ?? vendor} ${model}`.trim(), pci: address(pci), files: isThere }];
    });
}

/** nvidia-smi writes the domain with eight digits and in upper case, the kernel with four in lower case. */
const address = (pci: string): string => pci.toLowerCase().replace(/^0{4}(?=[0-9a-f]{4}:)/, '');

const field = (text: string, name: string): string | undefined =>
  new RegExp(`^\\s*${name}\\s*:\\s*(.+?)\\s*$`, 'm').exec(text)?.[1];

const entries = (folder: string): string[] => attempt(() => readdirSync(folder)) ?? [];

const read = (file: string): string | undefined => attempt(() => readFileSync(file, 'utf8'));

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
