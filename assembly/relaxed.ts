/** What the modules with relaxed SIMD export: they run plans. Sampling has no multiply-adds and is the plain modules' work. */
export * from '../build/assembly/dispatch';
export { exp1 } from './math';
export { advance, attach, start, work } from './run';

/** First byte of memory that the module itself does not use. */
export function heapBase(): usize {
  return __heap_base;
}
