import { WasmError } from './errors.js';

/**
 * Compiles a module that came with the package.
 * @throws WasmError when this runtime has no WebAssembly, forbids it, or refuses the bytes.
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

/** @throws WasmError where the runtime has no WebAssembly; to be asked before memory is made. */
export function requireWasm(): void {
  if (typeof WebAssembly === 'undefined')
    throw new WasmError(
      'This runtime offers no WebAssembly; use Node 20, Deno 2.9 or a current browser, and do not switch it off (--no-expose-wasm, --jitless, lockdown mode)',
    );
}

/**
 * A memory for a module. Engines reserve some ten GB of addresses for each, whatever it holds, to check bounds by page faults.
 * @throws WasmError where the process may not have them
 */
export function wasmMemory(descriptor: WebAssembly.MemoryDescriptor): WebAssembly.Memory {
  requireWasm();
  try {
    return new WebAssembly.Memory(descriptor);
  } catch (error) {
    throw new WasmError(
      `WebAssembly memory was refused (${error instanceof Error ? error.message : error}): this process may not have the 14 GB of addresses that the engine reserves; ` +
        'lift the limit (ulimit -v unlimited), or set NODE_OPTIONS=--disable-wasm-trap-handler, which is slower and needs 4 GB',
      { cause: error },
    );
  }
}
