/**
 * Workers of a sweep as child processes: they can be killed when a driver hangs, and a crash of one does not end the others.
 * Node.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import * as errors from '../core/errors.js';
import { AdapterError, RhmError, WorkerError } from '../core/errors.js';
import { receiveData, type SentData } from '../core/ownData.js';
import type { Executor } from '../plan/executor.js';
import {
  type ChunkHooks,
  type ChunkProgress,
  type ChunkRun,
  type RunOutcome,
  type SweepWorker,
  trainChunk,
} from '../sweep/chunk.js';
import { type PackLimits, packLimits } from '../sweep/pack.js';
import { type CardsSeen, cardsSeen, type Way, wrongCard } from './cards/choose.js';
import type { Card } from './cards/list.js';
import { openSimulatedCard } from './cards/simulated.js';
import { type ExecutorChoice, type OpenExecutor, openExecutor } from './executor.js';
import type { Platform } from './platform.js';
import { DataSent } from './sweepThread.js';

type ToChild =
  | { type: 'open'; choice: ExecutorChoice; cards?: readonly Card[] }
  | { type: 'train'; runs: readonly ChunkRun[]; checkpointMs?: number; data?: readonly SentData[] }
  | { type: 'abort' }
  | { type: 'close' };
type FromChild =
  | { type: 'up' }
  | { type: 'ready'; executor: string; kind: Executor['kind']; limits: PackLimits; seen?: CardsSeen }
  | { type: 'progress'; progress: ChunkProgress }
  | { type: 'outcome'; outcome: RunOutcome }
  | { type: 'trained'; outcomes: RunOutcome[] }
  | { type: 'error'; name: string; message: string };

const PROGRESS_MS = 200;
const START_MS = 120_000; // maximum duration of a start: drivers hang there too
const LAST_WORDS = 600; // characters of standard error quoted in the message about a crash

/** The cards of the machine, and the one that a worker must compute on. */
export interface CardPlace {
  readonly all: readonly Card[];
  /** If absent, it computes on whatever WebGPU offers, and only records which card that is. */
  readonly card?: Card;
  readonly way?: Way;
}

export interface SweepProcess extends SweepWorker {
  readonly pid: number;
  readonly executor: string;
  readonly kind: Executor['kind'];
  readonly seen?: CardsSeen;
}

/**
 * Starts a child process that trains chunks: `script` (the file of the command line itself) with `args`, which must call
 * serveSweepProcess. @throws WorkerError if it does not start; AdapterError or InputError if it has nothing to compute on, or got
 * a different card from the one assigned.
 */
export async function startSweepProcess(
  script: string,
  args: readonly string[],
  choice: ExecutorChoice,
  { all, card, way }: CardPlace = { all: [] },
): Promise<SweepProcess> {
  const inDeno = 'Deno' in globalThis;
  const program = [process.execPath, ...(inDeno ? ['run', '-A'] : process.execArgv), script, ...args];
  const { command, env } = card && way ? way.start(card, all, program) : { command: program };
  const child = spawn(command[0], command.slice(1), {
    env: { ...process.env, ...env },
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const calls = new Calls(child);
  const late = setTimeout(() => calls.fail(`did not start within ${START_MS / 1000} s`), START_MS);
  let ready: Extract<FromChild, { type: 'ready' }>;
  try {
    await calls.answer('up');
    ready = await calls.ask({ type: 'open', choice, cards: all }, 'ready');
    const wrong = card && ready.kind === 'webgpu' ? wrongCard(card, ready.seen) : undefined;
    if (wrong)
      throw new AdapterError(
        `card ${card!.index} (${card!.name}, ${card!.pci}): a worker was to compute on it, but ${wrong}`,
      );
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(late);
  }
  const sent = new DataSent();
  return {
    pid: child.pid!,
    executor: ready.executor,
    kind: ready.kind,
    seen: ready.seen,
    limits: ready.limits,
    async train(runs, hooks) {
      const abort = () => calls.send({ type: 'abort' });
      calls.hooks = hooks;
      hooks.signal?.addEventListener('abort', abort);
      try {
        const data = sent.missing(runs);
        const asked = calls.ask({ type: 'train', runs, checkpointMs: hooks.checkpointMs, data }, 'trained');
        if (hooks.signal?.aborted) abort();
        return (await asked).outcomes;
      } finally {
        hooks.signal?.removeEventListener('abort', abort);
        calls.hooks = undefined;
      }
    },
    async close() {
      calls.send({ type: 'close' });
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await calls.exited;
      clearTimeout(timer);
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

/** The supervisor's end of the channel: one request at a time. */
class Calls {
  hooks: ChunkHooks | undefined;
  readonly exited: Promise<void>;
  #gone: WorkerError | undefined;
  #said = '';
  #waiting:
    | { type: FromChild['type']; resolve: (message: FromChild) => void; reject: (error: Error) => void }
    | undefined;

  constructor(readonly child: ChildProcess) {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-LAST_WORDS);
    });
    child.on('message', (message) => this.#hear(message as FromChild));
    child.on('error', (error) => this.fail(`could not be used: ${error.message}`));
    this.exited = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        this.fail(signal ? `was ended by ${signal}` : `ended with exit code ${code}`);
        resolve();
      });
    });
  }

  send(message: ToChild): void {
    if (this.child.connected) this.child.send(message, () => {});
  }

  ask<T extends FromChild['type']>(message: ToChild, type: T): Promise<Extract<FromChild, { type: T }>> {
    const answer = this.answer(type);
    this.send(message);
    return answer;
  }

  answer<T extends FromChild['type']>(type: T): Promise<Extract<FromChild, { type: T }>> {
    if (this.#gone) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      this.#waiting = { type, resolve: resolve as (message: FromChild) => void, reject };
    });
  }

  #hear(message: FromChild): void {
    if (message.type === 'progress') this.hooks?.onProgress?.(message.progress);
    else if (message.type === 'outcome') this.hooks?.onOutcome?.(message.outcome);
    else if (message.type === 'error') this.#waiting?.reject(revive(message));
    else if (message.type === this.#waiting?.type) this.#waiting.resolve(message);
  }

  /** The worker is gone, or unusable. */
  fail(what: string): void {
    const words = this.#said.trim().replace(/\s*\n\s*/g, ' ');
    this.#gone ??= new WorkerError(
      `worker process ${this.child.pid} ${what}${words ? `; its last words: ${words}` : ''}`,
    );
    this.#waiting?.reject(this.#gone);
  }
}

function revive({ name, message }: { name: string; message: string }): Error {
  const Class = (errors as unknown as Record<string, new (message: string) => Error>)[name];
  const known = Class && (Class === RhmError || Class.prototype instanceof RhmError);
  return known ? new Class(message) : new WorkerError(`${name}: ${message}`);
}

/**
 * The child's side: trains the chunks it receives until its supervisor closes it or disappears (then it saves and ends). SIGTERM
 * saves and reports the runs as interrupted; SIGINT and SIGHUP, which a terminal sends to the whole process group, are left to
 * the supervisor.
 */
export async function serveSweepProcess(platform: Platform): Promise<void> {
  if (!process.send) throw new errors.InputError('sweep child: this command is started by rhm sweep run, not by hand');
  const say = (message: FromChild) => {
    if (process.connected) process.send?.(message, () => {});
  };
  let opened: OpenExecutor | undefined;
  let host = platform.host();
  let abort = new AbortController();
  let training: Promise<void> = Promise.resolve();
  let toldAt = -Infinity;
  const failed = (error: unknown) =>
    say({
      type: 'error',
      name: error instanceof Error ? error.name : 'Error',
      message: error instanceof Error ? error.message : String(error),
    });

  const finished = new Promise<void>((resolve) => {
    const close = () => {
      abort.abort();
      void training.then(resolve);
    };
    for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
    process.on('SIGTERM', () => abort.abort());
    process.on('disconnect', close);
    process.on('message', (message: ToChild) => {
      if (message.type === 'open') void open(message).then(say, failed);
      else if (message.type === 'train') {
        abort = new AbortController();
        const hooks = {
          signal: abort.signal,
          checkpointMs: message.checkpointMs,
          onProgress(progress: ChunkProgress) {
            if (performance.now() - toldAt < PROGRESS_MS) return;
            toldAt = performance.now();
            say({ type: 'progress', progress });
          },
          onOutcome: (outcome: RunOutcome) => say({ type: 'outcome', outcome }),
        };
        training = receiveAll(message.data ?? [])
          .then(() => trainChunk(message.runs, site, hooks))
          .then((outcomes) => say({ type: 'trained', outcomes }), failed);
      } else if (message.type === 'abort') abort.abort();
      else close();
    });
  });
  async function open({ choice, cards = [] }: Extract<ToChild, { type: 'open' }>): Promise<FromChild> {
    if (choice.executor !== 'wasm') openSimulatedCard(process.env);
    opened = await openExecutor(platform, choice);
    const { description, kind } = opened.executor;
    const seen = kind === 'webgpu' ? cardsSeen(cards) : undefined;
    if (seen?.open.length === 1) host = { ...host, card: cards[seen.open[0]].pci };
    return { type: 'ready', executor: description, kind, limits: packLimits(opened.executor), seen };
  }
  const site = {
    openFolder: platform.openFolder,
    executor: async () => opened!.executor,
    get host() {
      return host;
    },
  };
  say({ type: 'up' });
  await finished;
  await opened?.release();
  if (process.connected) process.disconnect?.();
}

async function receiveAll(data: readonly SentData[]): Promise<void> {
  for (const set of data) await receiveData(set);
}
