/** The memory that a plan's threads share. */
import { WorkerError } from '../core/errors.js';
import type { Simd } from '../core/simd.js';
import { newMemory, wasmModule } from '../core/wasmModule.js';
import { type SpawnThread, startThreads, type Thread } from '../core/wasmThreads.js';
import { control } from './memory.js';
import { instantiate, type WasmExports } from './module.js';

/** Script text that every thread runs; text, so that nothing has to be loaded from a file. */
const threadSource = `async function threadMain({ module, memory, control, thread }, post) {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory, abort() {} } });
  exports.attach(control, thread);
  post('ready');
  exports.work();
}
`;

/** A memory, the first thread's instance on it, and the threads that wait there. Used by one program at a time. */
export class Arena {
  #failure: string | undefined;
  #ending = false;
  #writtenTo = 0; // no program has written to this byte or beyond

  private constructor(
    readonly memory: WebAssembly.Memory,
    readonly exports: WasmExports,
    readonly controlAt: number,
    readonly threads: readonly Thread[],
  ) {}

  /** threads: all of them, including the caller's. @throws WorkerError if one does not start. */
  static async create(threads: number, spawn: SpawnThread | undefined, maySleep: boolean, simd: Simd): Promise<Arena> {
    const memory = newMemory(2 ** 20, threads > 1);
    const exports = await instantiate(memory, simd);
    const controlAt = Math.ceil(exports.heapBase() / 64) * 64;
    const words = new Uint32Array(memory.buffer, controlAt);
    words[control.threads / 4] = threads;
    words[control.maySleep / 4] = Number(maySleep);
    exports.attach(controlAt, 0);
    const others: Thread[] = [];
    const arena = new Arena(memory, exports, controlAt, others);
    if (threads === 1) return arena;
    const module = await wasmModule('shared', simd);
    const messages = Array.from({ length: threads - 1 }, (_, i) => ({
      module,
      memory,
      control: controlAt,
      thread: i + 1,
    }));
    const failed = (i: number, reason: string) => {
      if (!arena.#ending) arena.#failure ??= `thread ${i + 1} of ${threads}: ${reason}`;
      return arena.#failure ?? reason;
    };
    others.push(...(await startThreads(spawn!, threadSource, messages, failed)));
    return arena;
  }

  /** @throws WorkerError once a thread has died. */
  check(): void {
    if (this.#failure) throw new WorkerError(`${this.#failure}; continue the run from its last checkpoint`);
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Marks the arena as unusable: the first thread stopped in the middle of a list. */
  fail(reason: string): void {
    this.#failure ??= reason;
  }

  /** Grows the memory to at least `bytes`. @throws WorkerError if the engine has no more. */
  grow(bytes: number): void {
    const pages = Math.ceil(bytes / 65536);
    const have = this.memory.buffer.byteLength / 65536;
    try {
      if (pages > have) this.memory.grow(pages - have);
    } catch (cause) {
      throw new WorkerError(
        `${bytes} bytes of WebAssembly memory were refused by this engine; use a smaller batch or fewer replicas, or lift the limit of this process (ulimit -v)`,
        { cause },
      );
    }
  }

  /** Zeros bytes `from` to `to`, which may be written from now on. Memory that was never written is not touched. */
  clear(from: number, to: number): void {
    if (from < this.#writtenTo) new Uint8Array(this.memory.buffer).fill(0, from, Math.min(to, this.#writtenTo));
    this.#writtenTo = Math.max(this.#writtenTo, to);
  }

  /** Ends the threads. */
  async destroy(): Promise<void> {
    this.#ending = true;
    if (!this.failed) this.exports.start(0, 0);
    await Promise.all(this.threads.map((thread) => thread.kill()));
  }
}

/** Lets the event loop do its other work. */
export function macrotask(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (f: () => void) => unknown };
  if (setImmediate) return new Promise((resolve) => void setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port2.onmessage = () => {
      port1.close();
      resolve();
    };
    port1.postMessage(0);
  });
}
