/** The module of assembly/relaxed.ts, in a separate chunk: engines without relaxed SIMD, and programs that only sample, never load it. */
import patch from '../../build/wasm/relaxed.patch';
import { applyPatch } from './inlined.js';

/** plain: the module of assembly/index.ts; a tenth of it differs. */
export const relaxedBytes = (plain: Uint8Array): Uint8Array<ArrayBuffer> => applyPatch(plain, patch);
