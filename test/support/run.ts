/** Programs started by tests: limited in time, and ended together with their children. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import * as assert from 'uvu/assert';

export interface Ran {
  code: number | null; // null: ended by a signal or by the time limit
  signal: string | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  timeoutSeconds?: number;
}

export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, RHM_TEST_RESULT: undefined, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: (options.timeoutSeconds ?? 300) * 1000,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => done({ code, signal, stdout, stderr }));
  });
}

/** The built command line. */
export const rhm = (args: readonly string[], options?: RunOptions): Promise<Ran> =>
  run(process.execPath, [resolve('dist/cli.js'), ...args], options);

/** Trains the runs of a grid file into a store: on WebAssembly, in one process. */
export async function sweepInto(store: string, grid: string): Promise<void> {
  const flags = ['--executor', 'wasm', '--threads', '1', '--isolate', 'none'];
  const { code, stderr } = await rhm(['sweep', 'run', grid, '--out', store, ...flags]);
  assert.is(code, 0, stderr);
}

/** The JSON of the last line: the result of a command that prints JSON lines. */
export const lastJson = ({ stdout }: Pick<Ran, 'stdout'>) => JSON.parse(stdout.trim().split('\n').at(-1)!);

/** Deno from its npm package. */
export const deno = (args: readonly string[], options?: RunOptions): Promise<Ran> =>
  run(process.execPath, [resolve('node_modules/deno/bin.cjs'), ...args], {
    ...options,
    env: { DENO_NO_UPDATE_CHECK: '1', ...options?.env },
  });
