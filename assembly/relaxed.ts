/** Exports of the modules with relaxed SIMD: they run plans. Sampling has no multiply-adds and is done by the plain modules. */
export * from '../build/assembly/dispatch';
export { exp1 } from './math';
export { advance, attach, start, work } from './run';

/** First byte of memory not used by the module itself. */
export function heapBase(): usize {
  return __heap_base;
}
