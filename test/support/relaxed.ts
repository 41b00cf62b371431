/** Node with relaxed SIMD: enabled by default in 22 and newer, by an option in 20. */
import { resolve } from 'node:path';
import { hasRelaxedSimd } from '../../src/core/simd.js';
import { type Ran, type RunOptions, run } from './run.js';

export const switches = hasRelaxedSimd() ? [] : ['--experimental-wasm-relaxed-simd'];

/** A script, of a bundled fixture for example. */
export const relaxedNode = (args: readonly string[], options?: RunOptions): Promise<Ran> =>
  run(process.execPath, [...switches, ...args], options);

/** The built command line. */
export const relaxedRhm = (args: readonly string[], options?: RunOptions): Promise<Ran> =>
  relaxedNode([resolve('dist/cli.js'), ...args], options);
