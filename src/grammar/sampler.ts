import { checkInteger, show } from '../core/check.js';
import { InputError } from '../core/errors.js';
import { grammarImage, HEADER, INDEX_LIMIT } from '../core/grammarImage.js';
import { checkHasRules, type Rules } from '../core/rules.js';
import { type Source, sourceWords } from '../core/sampleSource.js';
import type { TreeChange } from '../core/treeChange.js';
import { changeWords } from '../core/treeChange.js';
import { newMemory } from '../core/wasmModule.js';
import { fastPlan } from './fastPlan.js';
import { instantiate, type SamplerExports } from './wasm.js';

/** Complete derivations of `count` sentences. */
export interface Trees {
  symbols: Uint32Array; // [count, nodes + s^L]: root, then each level from left to right; the last s^L are the tokens
  rules: Uint32Array; // [count, nodes]: rule chosen at each node, level by level
}

export interface SamplerOptions {
  /** Memory to work in, from `newMemory`; everything from `base` on belongs to the sampler. */
  memory?: WebAssembly.Memory;
  /** First free byte of that memory. */
  base?: number;
  /** Force the general path (for tests). */
  general?: boolean;
}

const CHUNK_BYTES = 2 ** 18; // bytes of output between copies

/** Sentences of one grammar from WebAssembly: sentence g of a source is a pure function of (source, g). */
export async function createSampler(rules: Rules, options: SamplerOptions = {}): Promise<Sampler> {
  checkHasRules(rules);
  const memory = options.memory ?? newMemory(65536);
  const wasm = await instantiate(memory);
  return new Sampler(rules, memory, wasm, options);
}

export class Sampler {
  readonly tokensPerSentence: number;
  readonly symbolsPerTree: number;
  readonly rulesPerTree: number;
  readonly image: Uint32Array<ArrayBuffer>;
  #top: number;
  readonly #buffers = new WeakSet<ArrayBufferLike>();
  readonly #imageAt: number;
  readonly #sourceAt: number;
  readonly #changeAt: number;
  readonly #generalScratchAt: number;
  readonly #chunkAt: number;
  readonly #plans: { 1?: Plan; 4?: Plan };

  constructor(
    readonly rules: Rules,
    readonly memory: WebAssembly.Memory,
    protected readonly wasm: SamplerExports,
    options: SamplerOptions = {},
  ) {
    this.image = grammarImage(rules);
    this.tokensPerSentence = this.image[HEADER.tokens];
    this.symbolsPerTree = this.image[HEADER.symbols];
    this.rulesPerTree = this.image[HEADER.nodes];
    this.#top = Math.max(options.base ?? 0, wasm.heapBase());
    this.#imageAt = this.#place(new Uint8Array(this.image.buffer));
    this.#sourceAt = this.reserve(64);
    this.#changeAt = this.reserve(32);
    this.#generalScratchAt = this.reserve(wasm.generalScratchBytes(this.#imageAt));
    this.#plans = options.general ? {} : { 1: this.#makePlan(1), 4: this.#makePlan(4) };
    this.#chunkAt = this.reserve(Math.max(CHUNK_BYTES, 4 * (this.symbolsPerTree + this.rulesPerTree)));
  }

  /** First byte after the sampler's data. */
  get end(): number {
    return this.#top;
  }

  /**
   * Fills out [count, s^L] with sentences start .. start+count-1. u8 output needs v <= 256. If `out` is in the sampler's memory
   * it is written in place, else through a chunk. `change` is applied to every tree.
   */
  tokens(source: Source, start: number, count: number, out: Uint8Array | Uint32Array, change?: TreeChange): void {
    this.checkOutput(source, start, count, out);
    const bytes = out.BYTES_PER_ELEMENT as 1 | 4;
    const d = this.tokensPerSentence;
    this.#writeRecords(source, change);
    if (this.owns(out.buffer)) {
      this.#write(source, start, count, out.byteOffset, bytes, change);
      return;
    }
    const perChunk = Math.max(1, Math.floor(CHUNK_BYTES / (d * bytes)));
    for (let done = 0; done < count; done += perChunk) {
      const rows = Math.min(perChunk, count - done);
      this.#write(source, start + done, rows, this.#chunkAt, bytes, change);
      const from =
        bytes === 1
          ? new Uint8Array(this.memory.buffer, this.#chunkAt, rows * d)
          : new Uint32Array(this.memory.buffer, this.#chunkAt, rows * d);
      out.set(from, done * d);
    }
  }

  /** Whole trees of sentences start .. start+count-1. */
  trees(source: Source, start: number, count: number, change?: TreeChange): Trees {
    this.checkRange(source, start, count);
    this.#writeRecords(source, change);
    const symbols = new Uint32Array(count * this.symbolsPerTree);
    const rules = new Uint32Array(count * this.rulesPerTree);
    const rowBytes = 4 * (this.symbolsPerTree + this.rulesPerTree);
    const perChunk = Math.max(1, Math.floor(CHUNK_BYTES / rowBytes));
    for (let done = 0; done < count; done += perChunk) {
      const rows = Math.min(perChunk, count - done);
      const rulesAt = this.#chunkAt + 4 * rows * this.symbolsPerTree;
      this.#general(start + done, rows, 0, 4, this.#chunkAt, rulesAt, change);
      symbols.set(
        new Uint32Array(this.memory.buffer, this.#chunkAt, rows * this.symbolsPerTree),
        done * this.symbolsPerTree,
      );
      rules.set(new Uint32Array(this.memory.buffer, rulesAt, rows * this.rulesPerTree), done * this.rulesPerTree);
    }
    return { symbols, rules };
  }

  /** Room for `count` sentences in the sampler's memory, which `tokens` then fills without a copy. */
  allocate(count: number, bytes: 1 | 4): Uint8Array | Uint32Array {
    const elements = count * this.tokensPerSentence;
    const at = this.reserve(elements * bytes);
    return bytes === 1
      ? new Uint8Array(this.memory.buffer, at, elements)
      : new Uint32Array(this.memory.buffer, at, elements);
  }

  /** The locations of a job's parts, for threads that share this memory. Writes the records of source and change. */
  protected prepare(source: Source, bytes: 1 | 4, change?: TreeChange) {
    this.#writeRecords(source, change);
    const plan = change || source.mode !== 'stream' || source.length ? undefined : this.#plans[bytes];
    const places = { image: this.#imageAt, source: this.#sourceAt, change: change ? this.#changeAt : 0 };
    return { ...places, plan: plan?.at ?? 0 };
  }

  /** Scratch for one more thread, enough for every path. */
  protected threadScratch(): number {
    const fast = [this.#plans[1], this.#plans[4]].map((plan) => (plan ? this.wasm.fastScratchBytes(plan.at) : 0));
    return this.reserve(Math.max(...fast, this.wasm.generalScratchBytes(this.#imageAt)));
  }

  /** Whether a buffer is this memory; growing a shared memory leaves its older buffers valid. */
  protected owns(buffer: ArrayBufferLike): boolean {
    return buffer === this.memory.buffer || this.#buffers.has(buffer);
  }

  #write(source: Source, start: number, count: number, at: number, bytes: 1 | 4, change?: TreeChange): void {
    const plan = this.#plans[bytes];
    if (plan && !change && source.mode === 'stream' && source.length === 0) {
      const first = source.first + start;
      const [k0, k1] = source.key;
      this.wasm.sampleFast(plan.at, k0, k1, first >>> 0, Math.floor(first / 2 ** 32), count, at, plan.scratch);
    } else this.#general(start, count, at, bytes, 0, 0, change);
  }

  #general(
    start: number,
    count: number,
    tokens: number,
    bytes: 1 | 4,
    symbols: number,
    rules: number,
    change?: TreeChange,
  ) {
    const low = start >>> 0;
    const high = Math.floor(start / 2 ** 32);
    const changeAt = change ? this.#changeAt : 0;
    this.wasm.sampleGeneral(
      this.#imageAt,
      this.#sourceAt,
      changeAt,
      low,
      high,
      count,
      tokens,
      bytes,
      symbols,
      rules,
      this.#generalScratchAt,
    );
  }

  #writeRecords(source: Source, change?: TreeChange) {
    new Uint32Array(this.memory.buffer, this.#sourceAt, 16).set(sourceWords(source));
    if (change) new Uint32Array(this.memory.buffer, this.#changeAt, 6).set(changeWords(this.rules, change));
  }

  protected checkOutput(source: Source, start: number, count: number, out: Uint8Array | Uint32Array): void {
    this.checkRange(source, start, count);
    const bytes = out.BYTES_PER_ELEMENT;
    const d = this.tokensPerSentence;
    if (out.length < count * d)
      throw new InputError(`out: ${count} sentences of ${d} tokens need ${count * d} elements, got ${out.length}`);
    if (bytes === 1 && this.rules.v > 256)
      throw new InputError(`out: v = ${this.rules.v} symbols do not fit u8; pass a Uint32Array`);
  }

  /** @throws InputError if sentences start .. start+count-1 do not exist. */
  checkRange(source: Source, start: number, count: number): void {
    checkInteger('start', start, 0, INDEX_LIMIT - 1, 'first sentence');
    checkInteger('count', count, 0, INDEX_LIMIT, 'sentences');
    // A place in a permutation does not count draws: the far end, which contains the test sets, may be at 2^52.
    if (start + count + (source.mode === 'stream' ? source.first : 0) > INDEX_LIMIT)
      throw new InputError(`start + count: sentence numbers stay below 2^48, got ${start} + ${count}`);
    if (source.mode === 'permutation' && !source.length && BigInt(source.first + start + count) > source.size)
      throw new InputError(
        `count: the grammar has ${source.size} derivations, ${show(source.first + start + count)} were requested; take fewer`,
      );
  }

  #makePlan(bytes: 1 | 4): Plan | undefined {
    const plan = fastPlan(this.rules, bytes);
    if (!plan) return undefined;
    const at = this.#place(plan);
    return { at, scratch: this.reserve(this.wasm.fastScratchBytes(at)) };
  }

  #place(bytes: Uint8Array): number {
    const at = this.reserve(bytes.length);
    new Uint8Array(this.memory.buffer, at, bytes.length).set(bytes);
    return at;
  }

  protected reserve(bytes: number): number {
    const at = Math.ceil(this.#top / 64) * 64;
    this.#top = at + bytes;
    const missing = this.#top - this.memory.buffer.byteLength;
    if (missing > 0) {
      if (!(this.memory.buffer instanceof ArrayBuffer)) this.#buffers.add(this.memory.buffer);
      this.memory.grow(Math.ceil(missing / 65536));
    }
    return at;
  }
}

interface Plan {
  at: number;
  scratch: number;
}
