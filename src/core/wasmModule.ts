/** The compiled modules of assembly/, their memories and instances. Their exports are typed where they are called. */
import moduleBytes from '../../build/wasm/module.wasm';
import { WasmError } from './errors.js';
import type { Simd } from './simd.js';

const compiled: { [Key in `${Simd} ${'single' | 'shared'}`]?: Promise<WebAssembly.Module> } = {};

/**
 * The module for one thread (`single`) or for several on one memory (`shared`); compiled once per process. The relaxed one only
 * runs plans: sampling always uses the plain one.
 */
export function wasmModule(kind: 'single' | 'shared', simd: Simd = 'plain'): Promise<WebAssembly.Module> {
  const key = `${simd} ${kind}` as const;
  compiled[key] ??= bytesOf(simd).then((bytes) => compileWasm(kind === 'shared' ? bytes : unshared(bytes)));
  return compiled[key];
}

const bytesOf = async (simd: Simd) =>
  simd === 'plain' ? moduleBytes : (await import('./relaxedModule.js')).relaxedBytes(moduleBytes);

const MEMORY_IMPORT = [...new TextEncoder().encode('\x03env\x06memory'), 2, 3]; // kind: memory; limits: shared, with a maximum

/**
 * The module for unshared memory, which differs in one byte: atomic operations are valid there too, and a single thread never waits.
 * A second module in the package would add a tenth to what a page loads.
 */
function unshared(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const own = module.slice();
  for (let at = 0; at < module.length; at++)
    if (MEMORY_IMPORT.every((byte, i) => module[at + i] === byte)) {
      own[at + MEMORY_IMPORT.length - 1] = 1;
      return own;
    }
  throw new WasmError('The WebAssembly module imports no shared memory; build it again with the threads feature');
}

/** An instance of the module on the memory. */
export async function instantiateOn<Exports>(memory: WebAssembly.Memory, simd?: Simd): Promise<Exports> {
  const shared = typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;
  const module = await wasmModule(shared ? 'shared' : 'single', simd);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory, abort: () => undefined } });
  return exports as unknown as Exports;
}

/**
 * Compiles a module of the package.
 * @throws WasmError if this runtime has no WebAssembly, forbids it, or refuses the bytes.
 */
export async function compileWasm(bytes: BufferSource): Promise<WebAssembly.Module> {
  requireWasm();
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new WasmError(
      `The WebAssembly module could not be compiled (${reason}); a runtime with SIMD is needed (Node 20, Chrome 91, Firefox 89, Safari 16.4 or newer), and a page's Content-Security-Policy must allow 'wasm-unsafe-eval'`,
      { cause: error },
    );
  }
}

/** @throws WasmError if the runtime has no WebAssembly; to be called before memory is allocated. */
function requireWasm(): void {
  if (typeof WebAssembly === 'undefined')
    throw new WasmError(
      'This runtime offers no WebAssembly; use Node 20, Deno 2.9 or a current browser, and do not switch it off (--no-expose-wasm, --jitless, lockdown mode)',
    );
}

/**
 * A memory for the modules; initialBytes is rounded up to pages of 64 KiB, shared needs SharedArrayBuffer. Engines reserve some ten GB of
 * addresses for each, whatever its size, to check bounds by page faults.
 * @throws WasmError if the process may not reserve them
 */
export function newMemory(initialBytes: number, shared = false): WebAssembly.Memory {
  requireWasm();
  try {
    return new WebAssembly.Memory({ initial: Math.max(1, Math.ceil(initialBytes / 65536)), maximum: 65536, shared });
  } catch (error) {
    throw new WasmError(
      `WebAssembly memory was refused (${error instanceof Error ? error.message : error}): this process may not have the 14 GB of addresses that the engine reserves; ` +
        'lift the limit (ulimit -v unlimited), or set NODE_OPTIONS=--disable-wasm-trap-handler, which is slower and needs 4 GB',
      { cause: error },
    );
  }
}
