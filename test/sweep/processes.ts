/** The command line in processes that a test observes and kills. */
import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';

export interface Started {
  readonly child: ChildProcess;
  /** All standard output and standard error so far. */
  readonly output: string;
  readonly over: boolean;
  readonly ended: Promise<{ code: number | null; output: string }>;
  /** Resolves when its output matches. @throws if it ends without a match */
  said(pattern: RegExp): Promise<void>;
}

/** switches: of Node. */
export function startRhm(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  switches: readonly string[] = [],
): Started {
  const child = spawn(process.execPath, [...switches, resolve('dist/cli.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, RHM_TEST_RESULT: undefined, ...env },
  });
  const listeners = new Set<() => void>();
  const state = { output: '', over: false };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      state.output += text;
      for (const look of listeners) look();
    });
  const ended = new Promise<{ code: number | null; output: string }>((done) =>
    child.on('close', (code) => {
      state.over = true;
      done({ code, output: state.output });
    }),
  );
  child.on('exit', () => {
    state.over = true;
  });
  return {
    child,
    ended,
    get output() {
      return state.output;
    },
    get over() {
      return state.over;
    },
    said: (pattern) =>
      new Promise((done, fail) => {
        const look = () => {
          if (!pattern.test(state.output)) return;
          listeners.delete(look);
          done();
        };
        listeners.add(look);
        look();
        void ended.then(({ output }) => fail(new Error(`it ended without saying ${pattern}: ${output.slice(-3000)}`)));
      }),
  };
}
