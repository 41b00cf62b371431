/** The layout of a program in WebAssembly memory, and its plans as command lists. */
import { ShapeError } from '../core/errors.js';
import type { Call, Program, Tensor } from '../plan/types.js';
import type { WasmCommand, WasmLowering, WasmWord } from './command.js';
import type { WasmExports } from './module.js';

/** Bytes from the start of the control block (assembly/run.ts). Words written by several threads have separate cache lines. */
export const control = {
  arrived: 0,
  generation: 64,
  sleepers: 128,
  list: 192, // address of the list to run, 0: end
  times: 196,
  threads: 200,
  scratch: 204, // of thread 0; thread t's is t * scratchBytes further
  scratchBytes: 208,
  maySleep: 212, // 0 on a browser's main thread, which must not wait
} as const;
export const CONTROL_BYTES = 256;

/** A command begins with these words; its parameters follow. */
export const commandWords = { op: 0, bytes: 1, parts: 2, barrier: 3 } as const;
const HEADER_WORDS = Object.keys(commandWords).length;
const LIMIT_BYTES = 65535 * 65536; // the last page would end at 2^32, which no address can name

/** A plan's commands, at byte `at`; labels and word offsets of its commands, in order. */
export interface CommandList {
  readonly at: number;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly labels: readonly string[];
  readonly starts: readonly number[];
}

/** Addresses in bytes. */
export interface Layout {
  readonly buffers: ReadonlyMap<string, number>;
  readonly lists: ReadonlyMap<string, CommandList>;
  readonly scratch: number; // of the first thread
  readonly scratchBytes: number; // of each thread
  readonly totalBytes: number;
}

/**
 * Lays out buffers, command lists and scratch starting at byte `base` and encodes the plans.
 * @throws ShapeError if they do not fit in the 4 GiB of a WebAssembly memory; nothing has been allocated then.
 */
export function layOut(
  program: Program,
  lower: WasmLowering<Call>,
  exports: WasmExports,
  base: number,
  threads: number,
): Layout {
  let sharedBytes = 0;
  let threadBytes = 64;
  const commands = new Map<string, (WasmCommand & { label: string })[]>();
  for (const plan of program.plans.values())
    commands.set(
      plan.name,
      plan.calls.flatMap((call) => {
        let used = 0;
        const list = lower(call, (bytes) => {
          const shared = used;
          used = lineUp(used + bytes);
          return { shared };
        });
        sharedBytes = Math.max(sharedBytes, used);
        for (const command of list) threadBytes = Math.max(threadBytes, lineUp(command.threadBytes ?? 0));
        return list.map((command) => ({ ...command, label: `${command.kernel} ${call.label}` }));
      }),
    );

  let top = lineUp(base);
  const reserve = (bytes: number) => {
    const at = top;
    top = lineUp(top + bytes);
    return at;
  };
  const lists = new Map<string, CommandList>();
  for (const [name, list] of commands) {
    const starts: number[] = [];
    const words = list.reduce((sum, c) => {
      starts.push(sum);
      return sum + HEADER_WORDS + c.words.length;
    }, 0);
    const labels = list.map((c) => c.label);
    lists.set(name, { at: reserve(4 * (words + 1)), words: new Uint32Array(words + 1), labels, starts });
  }
  const buffers = new Map(program.buffers.map(({ name, elements }) => [name, reserve(4 * elements)] as const));
  const tensorBytes = top;
  const shared = reserve(sharedBytes);
  const scratch = reserve(threadBytes * threads);
  if (!(top <= LIMIT_BYTES))
    throw new ShapeError(
      `program of ${program.replicas} replicas: ${top} bytes (tensors ${tensorBytes}, scratch ${top - tensorBytes}), a ` +
        `WebAssembly memory has at most ${LIMIT_BYTES}; use fewer replicas or a smaller batch, or the webgpu executor`,
    );

  const address = (tensor: Tensor) => {
    const buffer = buffers.get(program.slots.get(tensor.buffer) ?? tensor.buffer);
    if (buffer === undefined)
      throw new ShapeError(
        `tensor ${tensor.name}: no buffer ${tensor.buffer} in this program; use a tensor of this program's builder`,
      );
    return buffer + 4 * tensor.offset;
  };
  for (const [name, list] of commands) encode(list, lists.get(name)!.words, exports, address, shared);
  return { buffers, lists, scratch, scratchBytes: threadBytes, totalBytes: top };
}

/** The command list as words; the last word, 0, ends it. */
function encode(
  list: readonly WasmCommand[],
  words: Uint32Array,
  exports: WasmExports,
  address: (tensor: Tensor) => number,
  shared: number,
): void {
  const floats = new Float32Array(words.buffer);
  const put = (to: number, word: WasmWord) => {
    if (typeof word === 'number') words[to] = word;
    else if ('f32' in word) floats[to] = word.f32;
    else if ('address' in word) words[to] = address(word.address);
    else words[to] = shared + word.shared;
  };
  let to = 0;
  for (const [index, command] of list.entries()) {
    const op = exports[`OP_${command.kernel}`];
    if (!op)
      throw new ShapeError(
        `${command.kernel}: the WebAssembly module has no such function; name it in kernels of the operation's definition and build`,
      );
    // Two consecutive commands that only the first thread performs need no barrier between them.
    const next = list[index + 1];
    const barrier = !(next && next.parts === 1 && command.parts === 1);
    words[to + commandWords.op] = op.value;
    words[to + commandWords.bytes] = 4 * (HEADER_WORDS + command.words.length);
    words[to + commandWords.parts] = command.parts;
    words[to + commandWords.barrier] = Number(barrier);
    to += HEADER_WORDS;
    for (const word of command.words) put(to++, word);
  }
}

/** Cache lines: 64 bytes. */
function lineUp(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}
