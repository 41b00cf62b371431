import { EngineError, InputError, ShapeError } from '../core/errors.js';
import { checkSimd, hasRelaxedSimd, requireSimd, type Simd } from '../core/simd.js';
import type { SpawnThread } from '../core/wasmThreads.js';
import { type Executor, type HostArray, type LoadedProgram, replicasWritten } from '../plan/executor.js';
import { type Call, elementsPerReplica, type Program, type Tensor } from '../plan/types.js';
import type { WasmLowering } from './command.js';
import { CONTROL_BYTES, type CommandList, commandWords, control, type Layout, layOut } from './memory.js';
import { Arena, macrotask } from './threads.js';

export interface WasmOptions {
  /** Threads, including the caller's; default: 1. More than one needs `spawn` and SharedArrayBuffer. */
  threads?: number;
  /** How the platform starts a thread. */
  spawn?: SpawnThread;
  /** Arithmetic of the multiply-adds; default: relaxed if it is fused. If set, it is used for every run. */
  simd?: Simd;
  /** Cut even the smallest command into shares of all threads, for tests; default: only if it saves time. */
  cutAll?: boolean;
  /** Half-precision factors are emulated; otherwise programs that have them are refused. */
  emulateHalf?: boolean;
}

const SLICE_MS = 25; // maximum time for which the caller's event loop is blocked
const PROFILE_RUNS = 20; // runs of one command between readings of the clock
const KEPT_BYTES = 2 ** 28; // a larger memory is released when its program ends

/**
 * Runs programs on the CPU in WebAssembly SIMD. A plan is compiled once into a list of commands in WebAssembly memory, and
 * many runs of it are one call. The bits do not depend on the number of threads.
 */
export class WasmExecutor implements Executor {
  readonly kind = 'wasm';
  readonly description: string;
  readonly threads: number;
  readonly simd: Simd;
  readonly half: Executor['half'];
  readonly #lower: WasmLowering<Call>;
  #other: WasmExecutor | undefined; // executor with the other arithmetic
  readonly #free: Arena[] = [];
  readonly #all = new Set<Arena>();

  /** @throws InputError for a number of threads or an arithmetic that is not available. */
  constructor(
    private readonly lower: WasmLowering<Call>,
    readonly options: WasmOptions = {},
  ) {
    this.#lower = options.cutAll
      ? (call, scratch) => lower(call, scratch).map((command) => ({ ...command, parts: this.threads }))
      : lower;
    this.threads = options.threads ?? 1;
    this.half = options.emulateHalf ? 'emulated' : undefined;
    if (!(Number.isInteger(this.threads) && this.threads >= 1 && this.threads <= 256))
      throw new InputError(`threads: got ${this.threads}; pass a whole number from 1 to 256`);
    if (this.threads > 1 && !(options.spawn && canShare()))
      throw new InputError(
        `threads: ${this.threads} need shared memory, which this page or runtime does not offer; pass 1, or serve the page ` +
          'with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp',
      );
    this.simd = checkSimd(options.simd) ?? (hasRelaxedSimd() ? 'relaxed' : 'plain');
    requireSimd(this.simd, `simd: ${options.simd} requires`);
    this.description = describeWasm(this.threads, this.simd);
  }

  /** @throws EngineError if this engine lacks it, or options.simd names the other. */
  withSimd(simd: Simd): WasmExecutor {
    if (simd === this.simd) return this;
    if (this.options.simd !== undefined)
      throw new EngineError(
        `simd: got ${this.simd}, and the run began with ${simd}, on which its bits depend; leave simd out, or pass ${simd}`,
      );
    requireSimd(simd, 'the run began with');
    this.#other ??= new WasmExecutor(this.lower, { ...this.options, simd });
    return this.#other;
  }

  /** @throws ShapeError if the program needs more than 4 GiB; WorkerError if a thread does not start. */
  async load(program: Program): Promise<WasmProgram> {
    const arena = await this.#take();
    try {
      const layout = layOut(program, this.#lower, arena.exports, arena.controlAt + CONTROL_BYTES, this.threads);
      arena.grow(layout.totalBytes);
      return new WasmProgram(program, arena, layout, () => void this.#giveBack(arena));
    } catch (error) {
      await this.#giveBack(arena);
      throw error;
    }
  }

  /** Ends all threads. Programs still loaded can no longer be run. */
  async destroy(): Promise<void> {
    await this.#other?.destroy();
    const all = [...this.#all];
    this.#all.clear();
    this.#free.length = 0;
    for (const arena of all) {
      await arena.destroy();
      arena.fail('The executor was destroyed');
    }
  }

  async #take(): Promise<Arena> {
    const free = this.#free.pop();
    if (free && !free.failed) return free;
    const arena = await Arena.create(this.threads, this.options.spawn, mayWait(), this.simd);
    this.#all.add(arena);
    return arena;
  }

  async #giveBack(arena: Arena): Promise<void> {
    if (!this.#all.has(arena)) return;
    if (!arena.failed && arena.memory.buffer.byteLength <= KEPT_BYTES) {
      this.#free.push(arena);
      return;
    }
    this.#all.delete(arena);
    await arena.destroy();
  }
}

export class WasmProgram implements LoadedProgram {
  readonly memoryBytes: number;
  readonly #buffer: ArrayBufferLike;
  readonly #msPerRun = new Map<string, number>(); // milliseconds of each plan, measured
  #tail: Promise<void> = Promise.resolve(); // all queued work
  #queued = 0;
  #yieldedAt = performance.now();
  #release: (() => void) | undefined;

  constructor(
    readonly program: Program,
    readonly arena: Arena,
    readonly layout: Layout,
    release: () => void,
  ) {
    this.memoryBytes = layout.totalBytes;
    this.#release = release;
    this.#buffer = arena.memory.buffer;
    arena.clear(arena.controlAt + CONTROL_BYTES, layout.totalBytes);
    const words = new Uint32Array(this.#buffer);
    words[(arena.controlAt + control.scratch) / 4] = layout.scratch;
    words[(arena.controlAt + control.scratchBytes) / 4] = layout.scratchBytes;
    for (const { at, words: list } of layout.lists.values()) words.set(list, at / 4);
  }

  run(plan: string, times = 1): Promise<void> {
    const list = this.#list(plan);
    return this.#queue(() => this.#runNow(plan, list.at, times));
  }

  write(tensor: Tensor, data: HostArray | readonly number[], replica?: number): void {
    this.#checkAlive();
    const [first, end] = replicasWritten(tensor, data, replica);
    const per = elementsPerReplica(tensor);
    const given = 'subarray' in data ? data : Float64Array.from(data);
    const packed = this.#queued ? given.slice() : given; // the caller may change its array in the meantime
    const copy = () => {
      const view = this.#view(tensor);
      for (let r = first; r < end; r++)
        view.set(packed.subarray((r - first) * per, (r - first + 1) * per), r * tensor.replicaStride);
    };
    if (!this.#queued) copy();
    else this.#queue(async () => copy()).catch(() => {}); // the failure that keeps it from running is thrown by `run`
  }

  async read(tensor: Tensor): Promise<Float32Array | Uint32Array> {
    await this.finish();
    const per = elementsPerReplica(tensor);
    const replicas = tensor.shape[0];
    const view = this.#view(tensor);
    const out = tensor.dtype === 'u32' ? new Uint32Array(per * replicas) : new Float32Array(per * replicas);
    for (let r = 0; r < replicas; r++)
      out.set(view.subarray(r * tensor.replicaStride, r * tensor.replicaStride + per), r * per);
    return out;
  }

  async finish(): Promise<void> {
    await this.#tail;
    this.#checkAlive();
  }

  async profile(plan: string, repeats = 15): Promise<{ label: string; us: number }[]> {
    await this.finish();
    const { at, labels, starts } = this.#list(plan);
    const words = new Uint32Array(this.#buffer, at);
    const { exports } = this.arena;
    const times: { label: string; us: number }[] = [];
    for (const [i, start] of starts.entries()) {
      // The command alone: a barrier after it, and the end of the list at the start of the next one.
      const end = start + words[start + commandWords.bytes] / 4;
      const kept = [words[start + commandWords.barrier], words[end]];
      words[start + commandWords.barrier] = 1;
      words[end] = 0;
      const samples: number[] = [];
      for (let repeat = 0; repeat < repeats; repeat++) {
        const before = performance.now();
        exports.start(at + 4 * start, PROFILE_RUNS);
        while (!exports.advance()) await this.#pause();
        samples.push(((performance.now() - before) * 1000) / PROFILE_RUNS);
      }
      words[start + commandWords.barrier] = kept[0];
      words[end] = kept[1];
      times.push({ label: labels[i], us: samples.sort((a, b) => a - b)[repeats >> 1] });
    }
    return times;
  }

  destroy(): void {
    const release = this.#release;
    this.#release = undefined;
    if (release) this.#tail.then(release, release);
  }

  async #runNow(name: string, list: number, times: number): Promise<void> {
    const { arena } = this;
    for (let left = times; left > 0; ) {
      this.#checkAlive();
      const count = Math.min(left, Math.max(1, Math.floor(SLICE_MS / (this.#msPerRun.get(name) ?? SLICE_MS))));
      const started = performance.now();
      try {
        arena.exports.start(list, count);
        while (!arena.exports.advance()) await this.#pause();
      } catch (error) {
        arena.fail(`plan ${name} stopped: ${error instanceof Error ? error.message : error}`);
        throw error;
      }
      const now = performance.now();
      this.#msPerRun.set(name, (now - started) / count);
      left -= count;
      if (now - this.#yieldedAt > SLICE_MS) await this.#yield();
    }
  }

  async #yield(): Promise<void> {
    await macrotask();
    this.#yieldedAt = performance.now();
  }

  /** Other threads are late: gives the event loop a chance to report a dead one. */
  async #pause(): Promise<void> {
    await this.#yield();
    this.arena.check();
  }

  #list(plan: string): CommandList {
    const list = this.layout.lists.get(plan);
    if (!list)
      throw new ShapeError(`plan ${plan}: not in this program; run one of ${[...this.layout.lists.keys()].join(', ')}`);
    return list;
  }

  #queue(work: () => Promise<void>): Promise<void> {
    this.#queued++;
    const done = this.#tail.then(work).finally(() => {
      this.#queued--;
    });
    this.#tail = done.catch(() => {});
    return done;
  }

  #checkAlive(): void {
    if (!this.#release) throw new ShapeError('this program was destroyed; load it again');
    this.arena.check();
  }

  /** The tensor's elements from its first, unpacked. */
  #view(tensor: Tensor): Float32Array | Uint32Array {
    const buffer = this.layout.buffers.get(this.program.slots.get(tensor.buffer) ?? tensor.buffer);
    if (buffer === undefined)
      throw new ShapeError(
        `tensor ${tensor.name}: no buffer ${tensor.buffer} in this program; use a tensor of this program's builder`,
      );
    const length = (tensor.shape[0] - 1) * tensor.replicaStride + elementsPerReplica(tensor);
    const from = buffer + 4 * tensor.offset;
    return tensor.dtype === 'u32'
      ? new Uint32Array(this.#buffer, from, length)
      : new Float32Array(this.#buffer, from, length);
  }
}

/** For people and records. */
export function describeWasm(threads: number, simd: Simd): string {
  const fused = simd === 'relaxed' ? ', fused multiply-add' : '';
  return `WebAssembly SIMD, ${threads} thread${threads === 1 ? '' : 's'}${fused}`;
}

/** Whether memory can be shared with threads here: not in a page without the isolation headers. */
export function canShare(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false;
  return (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false;
}

/** Whether this thread may sleep: not a page's main thread. */
function mayWait(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}
