/** Everything the WebAssembly module exports. One line per file; see the files for what they do. */
export * from '../build/assembly/dispatch';
export { permute } from './draws';
export { fastScratchBytes, sampleFast } from './fast';
export { exp1 } from './math';
export { fillNormal, normalTail } from './normal';
export { samplePart } from './part';
export { advance, attach, start, work } from './run';
export { generalScratchBytes, sampleGeneral } from './sampler';
export { threefry } from './threefry';

/** First byte of memory not used by the module itself. */
export function heapBase(): usize {
  return __heap_base;
}
