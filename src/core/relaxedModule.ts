/** The module of assembly/relaxed.ts, in a chunk of its own: engines without relaxed SIMD, and programs that only sample, never load it. */
export { default as relaxedBytes } from '../../build/wasm/relaxed.wasm';
