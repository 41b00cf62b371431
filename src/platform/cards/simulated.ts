/**
 * Cards for tests: RHM_SIMULATED_CARDS names a folder whose files card0, card1 and so on represent device files. A worker on a software
 * driver takes the first of them that it can see, as Dawn takes the first card, and keeps it open, as a driver does.
 */
import { openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AdapterError } from '../../core/errors.js';
import type { FoundCard } from './list.js';

type Environment = Readonly<Record<string, string | undefined>>;

const folderOf = (env: Environment): string | undefined => env.RHM_SIMULATED_CARDS || undefined;

/** undefined: no cards are simulated. */
export function simulatedCards(env: Environment): FoundCard[] | undefined {
  const folder = folderOf(env);
  return (folder &&
    filesIn(folder).map((name, i) => ({
      name: 'simulated card',
      pci: `0000:${i.toString(16).padStart(2, '0')}:00.0`,
      files: [join(folder, name)],
    }))) as FoundCard[] | undefined;
}

/** The content of the file `way` in the folder, which says how cards can be chosen: `told`, `namespace` or `none`. */
export const simulatedWay = (env: Environment): string | undefined => {
  const folder = folderOf(env);
  if (!folder) return undefined;
  try {
    return readFileSync(join(folder, 'way'), 'utf8').trim();
  } catch {
    return 'told';
  }
};

/**
 * Opens the first card that is not covered, or the one that RHM_SIMULATED_CARD names. @throws AdapterError if there is none, or it is
 * broken
 */
export function openSimulatedCard(env: Environment): void {
  const folder = folderOf(env);
  if (!folder) return;
  const files = env.RHM_SIMULATED_CARD ? [env.RHM_SIMULATED_CARD] : filesIn(folder).map((name) => join(folder, name));
  const file = files.find((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
  if (!file) throw new AdapterError('No simulated card can be seen; make a file card0 in RHM_SIMULATED_CARDS');
  const fault = readFileSync(file, 'utf8').trim();
  if (fault) throw new AdapterError(`${file}: ${fault}`);
  openSync(file, 'r'); // stays open until the process ends
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => /^card\d+$/.test(name))
    .sort();
