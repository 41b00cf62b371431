import { checkInteger } from '../core/check.js';
import { WorkerError } from '../core/errors.js';
import { checkHasRules, type Rules } from '../core/rules.js';
import type { Source } from '../core/sampleSource.js';
import type { TreeChange } from '../core/treeChange.js';
import { newMemory, wasmModule } from '../core/wasmModule.js';
import { type SpawnThread, startThreads, type Thread } from '../core/wasmThreads.js';
import { Sampler } from './sampler.js';
import { instantiate } from './wasm.js';

export interface ParallelOptions {
  threads: number; // including the caller's
  /** Starts a thread that evaluates `source`, which defines `threadMain(message, post)`, and calls it with its first message. */
  spawn?: SpawnThread;
}

// Control words, in u32: turn (waited on), threads still busy, 1 = end; then the job record of assembly/part.ts.
const TURN = 0;
const BUSY = 1;
const END = 2;
const JOB = 16;
const CONTROL_BYTES = 192;
const CHUNK_TOKENS = 2 ** 16;

/** Script text that every additional thread runs; text, so that nothing has to be loaded from a file. */
const threadSource = `async function threadMain({ module, memory, control, scratch }, post) {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory, abort() {} } });
  const words = new Int32Array(memory.buffer, control, ${JOB});
  let turn = 0;
  post('ready');
  for (;;) {
    Atomics.wait(words, ${TURN}, turn);
    turn = Atomics.load(words, ${TURN});
    if (words[${END}]) return;
    exports.samplePart(control + ${4 * JOB}, scratch);
    if (Atomics.sub(words, ${BUSY}, 1) === 1) Atomics.notify(words, ${BUSY});
  }
}
`;

/**
 * A sampler whose `fill` is shared by threads on one memory. If memory cannot be shared (a page without COOP and COEP headers) or
 * no thread can be started, it works alone. The sentences do not depend on the number of threads.
 */
export async function createParallelSampler(rules: Rules, options: ParallelOptions): Promise<ParallelSampler> {
  checkHasRules(rules);
  checkInteger('threads', options.threads, 1, 1024);
  const shared = typeof SharedArrayBuffer !== 'undefined' && !!options.spawn;
  const threads = shared ? options.threads : 1;
  const memory = newMemory(65536, threads > 1);
  const sampler = new ParallelSampler(rules, memory, await instantiate(memory));
  await sampler.startThreads(threads, options.spawn);
  return sampler;
}

export class ParallelSampler extends Sampler {
  readonly #controlAt = this.reserve(CONTROL_BYTES);
  readonly #scratchAt = this.threadScratch();
  readonly #others: Thread[] = [];
  #failure: string | undefined;
  #working = false;

  /** Threads in use, including the caller's. */
  get threads(): number {
    return 1 + this.#others.length;
  }

  /** Called once by createParallelSampler. @throws WorkerError */
  async startThreads(threads: number, spawn: ParallelOptions['spawn']): Promise<void> {
    if (threads < 2 || !spawn) return;
    const module = await wasmModule('shared');
    const { memory } = this;
    const messages = Array.from({ length: threads - 1 }, () => {
      return { module, memory, control: this.#controlAt, scratch: this.threadScratch() };
    });
    const failed = (i: number, reason: string) => (this.#failure ??= `sampler thread ${i + 1}: ${reason}`);
    this.#others.push(...(await startThreads(spawn, threadSource, messages, failed)));
  }

  /**
   * Fills `out` like `tokens`, on all threads. `out` must come from `allocate`, so that every thread can write to it. One call at
   * a time. @throws WorkerError if a thread has died.
   */
  async fill(source: Source, start: number, count: number, out: Uint8Array | Uint32Array, change?: TreeChange) {
    if (this.#working) throw new WorkerError('fill: another call has not ended; await it first');
    if (this.#failure) throw new WorkerError(this.#failure);
    const bytes = out.BYTES_PER_ELEMENT as 1 | 4;
    this.checkOutput(source, start, count, out);
    if (!this.owns(out.buffer)) {
      this.tokens(source, start, count, out, change);
      return;
    }
    const { image, source: sourceAt, change: changeAt, plan } = this.prepare(source, bytes, change);
    const first = plan ? source.first + start : start;
    const row = this.tokensPerSentence * bytes;
    const chunk = Math.max(8, Math.ceil(CHUNK_TOKENS / this.tokensPerSentence / 8) * 8);
    const words = new Int32Array(this.memory.buffer, this.#controlAt, CONTROL_BYTES / 4);
    const [low, high] = [first >>> 0, Math.floor(first / INDEX_WORD)];
    words.set([0, chunk, count, low, high, out.byteOffset, row, bytes, plan, image, sourceAt, changeAt], JOB);
    this.#working = true;
    try {
      await undefined; // so that a second call always finds the first in progress
      Atomics.store(words, BUSY, this.#others.length);
      Atomics.add(words, TURN, 1);
      Atomics.notify(words, TURN);
      this.wasm.samplePart(this.#controlAt + 4 * JOB, this.#scratchAt);
      while (Atomics.load(words, BUSY) > 0) {
        if (this.#failure) throw new WorkerError(this.#failure);
        await changed(words, BUSY);
      }
    } finally {
      this.#working = false;
    }
  }

  /** Ends the threads. */
  async destroy(): Promise<void> {
    const words = new Int32Array(this.memory.buffer, this.#controlAt, JOB);
    words[END] = 1;
    Atomics.add(words, TURN, 1);
    if (this.#others.length) Atomics.notify(words, TURN);
    await Promise.all(this.#others.splice(0).map((thread) => thread.kill()));
  }
}

const INDEX_WORD = 2 ** 32;

/**
 * Resolves when the word has probably changed. The others end within a chunk of this thread, about 0.1 ms, so it spins a
 * little and only then sleeps. (Atomics.waitAsync keeps no event loop alive in Node 20.)
 */
async function changed(words: Int32Array, index: number): Promise<void> {
  const value = Atomics.load(words, index);
  for (let spin = 0; spin < 100_000; spin++) if (Atomics.load(words, index) !== value) return;
  await new Promise((resolve) => setTimeout(resolve, 1));
}
