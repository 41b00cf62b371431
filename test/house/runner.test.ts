import { spawn } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('the test runner cannot pass emptily');

/** Folder in fixtures/, exit status, closing line, and a pattern of the output. */
const cases: readonly [string, number, string, RegExp][] = [
  ['passes', 0, '2 passed, 0 failed, 0 skipped', /ok .*passes/],
  ['skips', 0, '1 passed, 0 failed, 1 skipped', /ok .*skips/],
  ['fails', 1, '1 passed, 1 failed, 0 skipped', /wrong/],
  ['zero', 1, '0 passed, 1 failed, 0 skipped', /holds no test/],
  ['noRun', 1, '0 passed, 1 failed, 0 skipped', /\.run\(\) was called 0 times/],
  ['secondNoRun', 1, '1 passed, 1 failed, 0 skipped', /suite "second": \.run\(\) was called 0 times/],
  ['beforeThrows', 1, '0 passed, 1 failed, 0 skipped', /the before hook threw.*the hook is broken/s],
  ['beforeEachThrows', 1, '0 passed, 1 failed, 0 skipped', /the hook is broken/],
  ['afterThrows', 1, '1 passed, 1 failed, 0 skipped', /the hook is broken/],
  ['crash', 1, '1 passed, 1 failed, 0 skipped', /exited with [17] after its tests/],
  ['exitEarly', 1, '0 passed, 1 failed, 0 skipped', /2 of 2 tests did not finish/],
  ['rejects', 1, '1 passed, 1 failed, 0 skipped', /nobody waits for this/],
  ['hangs', 1, '0 passed, 1 failed, 0 skipped', /did not exit within 2 s/],
  ['stuck', 1, '0 passed, 1 failed, 0 skipped', /1 of 1 tests did not finish/],
  ['only', 1, '1 passed, 1 failed, 0 skipped', /\.only leaves out/],
  ['signal', 1, '0 passed, 1 failed, 0 skipped', /was ended by SIGSEGV/],
  ['nothing-here', 1, '0 passed, 0 failed, 0 skipped', /no test file matches nothing-here/],
];

for (const [folder, status, closing, says] of cases)
  test(`${folder}: exit ${status}, "${closing}"`, async () => {
    const filter = folder === 'nothing-here' ? ['passes', 'nothing-here'] : [folder];
    const { code, output } = await run(filter[0], filter.slice(1));
    assert.match(output, says);
    assert.is(output.trimEnd().split('\n').at(-1), closing);
    assert.is(code, status);
  });

test.run();

function run(folder: string, filters: string[]): Promise<{ code: number | null; output: string }> {
  const env: NodeJS.ProcessEnv = { ...process.env, FORCE_COLOR: '0' };
  delete env.RHM_TEST_RESULT;
  // Two seconds are short for a start on a busy machine: used only if waiting is what is tested.
  const seconds = folder === 'hangs' ? '2' : '60';
  const args = ['src/build/test.mjs', '--dir', `test/house/fixtures/${folder}`, '--timeout', seconds, ...filters];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stderr.on('data', (text) => {
    output = `${text}${output}`; // progress first: the closing line is on standard output
  });
  child.stdout.on('data', (text) => {
    output += text;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}
