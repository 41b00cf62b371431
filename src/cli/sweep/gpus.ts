/** `--gpus`: a worker process for each graphics card. */
import { type Command, InvalidArgumentError } from 'commander';
import { AdapterError, InputError } from '../../core/errors.js';
import type { Card } from '../../platform/cards/list.js';
import { type Asked, chooseCards, listText, parseAsked } from '../../platform/cards/plan.js';
import type { ExecutorChoice } from '../../platform/executor.js';
import { type CardPlace, type SweepProcess, startSweepProcess } from '../../platform/sweepProcess.js';
import type { ComputeOptions } from '../compute.js';
import type { CommandContext } from '../context.js';
import type { ProcessStart, Workers } from './workers.js';

export interface GpuOptions {
  gpus?: Asked;
}

export const addGpusOption = (command: Command): Command =>
  command.option(
    '--gpus <which>',
    'GPUs to use, one worker process per GPU: all, a number (2: the first two), or a list of the numbers that rhm doctor prints (0,2; a single one as 2,) (default: all of the same kind as the first)',
    (text: string): Asked => {
      const asked = parseAsked(text);
      if (asked === undefined)
        throw new InvalidArgumentError(
          'Pass all, a number of cards such as 2, or a list such as 0,2 (a single one as 2,).',
        );
      return asked;
    },
  );

/** @throws InputError if --gpus is passed together with an executor that uses no cards */
export function refuseGpus({ gpus }: GpuOptions, other: string): void {
  if (gpus !== undefined)
    throw new InputError(`--gpus: cannot be combined with ${other}, which chooses no GPU; leave one of the two out`);
}

/** A name that does not belong to a card: a software driver, or a card as Dawn names it. */
const namesDriver = (adapter: string | undefined): adapter is string =>
  adapter !== undefined && adapter.toLowerCase() !== 'gpu';

type Options = ComputeOptions & GpuOptions & { workers?: number };

export interface CardWorkers extends Workers {
  /** Each worker is assigned a card; WebGPU by itself might choose another. */
  readonly given: boolean;
}

/**
 * Worker processes on cards; undefined: no card is chosen, workers compute on the device that they find. @throws InputError, AdapterError
 */
export function cardWorkers(io: CommandContext, options: Options, start: ProcessStart): CardWorkers | undefined {
  const { executor, threads, gpus, adapter = io.platform.wantedAdapter() } = options;
  const { env } = process;
  if (executor === 'wasm') refuseGpus(options, '--executor wasm');
  if (threads !== undefined) refuseGpus(options, '--threads');
  const simulated = Boolean(env.RHM_SIMULATED_CARDS);
  if (namesDriver(adapter) && !simulated) refuseGpus(options, `adapter ${adapter}`);
  if (executor === 'wasm' || threads !== undefined || (namesDriver(adapter) && !simulated)) return undefined;
  const chosen = chooseCards(gpus, env);
  if (!chosen) return undefined;
  const { all, used, way, problem } = chosen;
  const apart = way !== undefined;
  if (problem) io.log(`${problem}: one card is used`);
  const most = apart ? used.length : 1;
  const { workers = most } = options;
  // Several workers on the only card of a machine gain little, but have always been possible.
  if (workers > most && (all.length > 1 || gpus !== undefined))
    throw new InputError(
      `--workers ${workers}: ${apart ? `${used.length === 1 ? 'one card is' : `${used.length} cards are`} used (${listText(all)})` : 'one card can be used here'}; pass at most ${most}, or --executor wasm`,
    );
  // Cards that were requested, or that a worker has got, are not silently replaced by another device.
  const onCard = { executor: 'webgpu', adapter: simulated ? (adapter ?? 'swiftshader') : 'gpu' } as const;
  const places = apart || (all.length > 1 && isOne(gpus)) ? used : [];
  const otherwise = executor === 'webgpu' ? {} : ({ executor: 'wasm' } as const); // webgpu alone may mean a software driver too
  let isGpu: boolean | undefined = gpus !== undefined || adapter !== undefined ? true : undefined;
  const attempts: Promise<unknown>[] = [];
  return {
    workers,
    given: apart,
    ownDevices: workers > 1 && apart,
    async startWorker(index) {
      const choice = start.choiceFor(workers);
      const launch = (on: ExecutorChoice, place: CardPlace) =>
        startSweepProcess(start.script(), start.args, { ...choice, ...on }, place);
      if (isGpu !== false)
        try {
          const attempt = launch(onCard, { all, card: places[index % Math.max(1, places.length)], way });
          attempts.push(attempt);
          const worker = await attempt;
          isGpu = true;
          start.onStart(worker.executor);
          return { ...worker, place: placeOf(worker, all) };
        } catch (error) {
          if (isGpu || !(error instanceof AdapterError)) throw error;
          await Promise.allSettled(attempts);
          if (isGpu) throw error; // other workers got their cards: the fault is in this one
          if (isGpu === undefined)
            io.log(`${listText(all)}, none of which WebGPU offers (${error.message}): computing without`);
          isGpu = false;
        }
      const worker = await launch(otherwise, { all });
      start.onStart(worker.executor);
      return worker;
    },
  };
}

/** The same, but only if workers get cards, or cards were requested: otherwise this process may as well compute. */
export function givenCards(io: CommandContext, options: Options, start: ProcessStart): CardWorkers | undefined {
  const cards = cardWorkers(io, options, start);
  return cards?.given || (cards && options.gpus !== undefined) ? cards : undefined;
}

const isOne = (asked: Asked | undefined): boolean =>
  asked !== undefined && asked !== 'all' && 'list' in asked && asked.list.length === 1;

/** `card 2`, if it is known. */
function placeOf({ seen }: SweepProcess, all: readonly Card[]): string | undefined {
  const found = seen?.open.length ? seen.open : (seen?.visible ?? []);
  return found.length === 1 ? `card ${all[found[0]].index}` : undefined;
}
