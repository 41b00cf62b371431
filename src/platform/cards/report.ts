/** The part of `rhm doctor` about cards: which there are, which can be chosen, and how. */
import process from 'node:process';
import { startSweepProcess } from '../sweepProcess.js';
import { type CardsSeen, cardsSeen, findWay } from './choose.js';
import { type Card, listCards } from './list.js';
import { wantedCards } from './plan.js';

export interface CardReport extends Pick<Card, 'index' | 'name' | 'pci' | 'files'> {
  /** What a worker process that was given this card computes on; absent if none can be given. */
  adapter?: string;
  /** How this is known: its file is open, or it is the only one accessible. */
  checked?: 'open' | 'alone';
  problem?: string; // why the card cannot be used
}

export interface CardsReport {
  cards: CardReport[];
  way?: { name: string; about: string };
  problems: readonly string[]; // problems of ways that do not work here
  taken?: number; // the card that WebGPU takes by default
  default: number[]; // cards used if none are requested
}

/** Starts a worker on each card. `script`: the file of the command line itself. */
export async function reportCards(script: string, report: (line: string) => void): Promise<CardsReport> {
  const { env } = process;
  const all = listCards(env);
  const seen = cardsSeen(all); // for the device that this process may have opened by now
  const taken = seen?.open.length === 1 ? seen.open[0] : undefined;
  const { way, problems } = all.length > 1 ? findWay(all, env) : { way: undefined, problems: [] };
  const cards: CardReport[] = [];
  for (const card of all) {
    const { index, name, pci, files } = card;
    const found: CardReport = { index, name, pci, files };
    cards.push(found);
    if (!way) continue;
    report(`starting a worker on card ${index}`);
    try {
      const choice = { executor: 'webgpu', adapter: env.RHM_SIMULATED_CARDS ? 'swiftshader' : 'gpu' } as const;
      const worker = await startSweepProcess(script, ['sweep', 'child'], choice, { all, card, way });
      found.adapter = worker.executor;
      found.checked = checkOf(worker.seen);
      await worker.close();
    } catch (error) {
      found.problem = error instanceof Error ? error.message : String(error);
    }
  }
  const used = !all.length || (all.length > 1 && !way) ? [] : wantedCards(undefined, all, env);
  return {
    cards,
    way: way && { name: way.name, about: way.about },
    problems: way ? [] : problems,
    taken,
    default: used.map(({ index }) => index),
  };
}

const checkOf = (seen: CardsSeen | undefined): CardReport['checked'] => (seen?.open.length ? 'open' : 'alone');

/** Rows of the report for people. */
export function cardRows({ cards, way, problems, taken, default: used }: CardsReport): [string, string][] {
  if (!cards.length) return [];
  const rows = cards.map(({ index, name, pci, files, adapter, checked, problem }): [string, string] => {
    const proof = checked === 'open' ? `it has ${files[0]} open` : 'it can reach no other card';
    const state = problem ? `CANNOT be used: ${problem}` : adapter && `a worker computes on it (${adapter}): ${proof}`;
    return [`card ${index}`, [`${name}, PCI ${pci}, ${files.join(' ')}`, state].filter(Boolean).join('; ')];
  });
  const alone = taken === undefined ? 'one that it chooses' : `card ${taken}`;
  const choice =
    cards.length === 1
      ? 'there is one card'
      : way
        ? `by --gpus, each for a separate process: ${way.about} (${way.name}); by default WebGPU takes ${alone}; used by default: ${used.join(', ')}`
        : `none can be chosen, WebGPU takes ${alone}: ${problems.join('; ')}`;
  return [...rows, ['choice', choice]];
}
