/** The module of assembly/relaxed.ts, in a chunk of its own: engines without relaxed SIMD, and programs that only sample, never load it. */
import patch from '../../build/wasm/relaxed.patch';
import { applyPatch } from './inlined.js';

/** plain: the module of assembly/index.ts, from which it differs in a tenth. */
export const relaxedBytes = (plain: Uint8Array): Uint8Array<ArrayBuffer> => applyPatch(plain, patch);
