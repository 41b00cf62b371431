/** Suspended machines, clocks that jump, full disks: none of these causes a run to be set aside. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { DiskFullError } from '../../src/core/errors.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { trainChunk } from '../../src/sweep/chunk.js';
import { runSweep } from '../../src/sweep/schedule.js';
import { StallDetector } from '../../src/sweep/stallDetector.js';
import type { RunFolder } from '../../src/training/folder.js';
import { run as runProgram } from '../support/run.js';
import { MemoryStore } from '../sweep/memoryStore.js';
import { startRhm } from '../sweep/processes.js';
import { children } from '../sweep/support.js';

const test = suite('suspensions and full disks');
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-suspend-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const base = {
  model: { kind: 'hcnn', width: 16 },
  grammar: { v: 6, m: 2, L: 2 },
  budget: { batch: 16, steps: 60_000 },
  evaluation: { size: 64 },
};

test('the stall detector: silence counts, time during which the supervisor slept does not', () => {
  let now = 0;
  const detector = new StallDetector(10_000, {}, () => now);
  assert.is(detector.tickMs, 1000);
  const tick = (ms: number) => {
    now += ms;
    return detector.look();
  };
  for (let i = 0; i < 9; i++) assert.is(tick(1000), false);
  for (let i = 0; i < 4; i++) assert.is(tick(3_600_000), false, 'an hour of sleep, four times');
  assert.is(tick(1000), true, 'ten seconds awake without a sign');
  detector.sign();
  assert.is(tick(1000), false);
  // Being a little late, as on a busy machine, is not sleep: the worker must not be silent forever.
  let looks = 0;
  while (!tick(1900) && looks < 100) looks++;
  assert.ok(looks < 10, `${looks} looks`);
});

(process.platform === 'linux' ? test : test.skip)(
  'a sweep stopped four times for longer than --stall-seconds sets nothing aside',
  async () => {
    const spec = join(scratch, 'grid.json');
    writeFileSync(spec, JSON.stringify({ base: { ...base, budget: { batch: 16, steps: 600_000 } }, seeds: 1 }));
    const args = [
      '--executor',
      'wasm',
      '--threads',
      '1',
      '--stall-seconds',
      '1',
      '--json',
      '--checkpoint-seconds',
      '0.2',
    ];
    const sweep = startRhm(['sweep', 'run', spec, '--out', join(scratch, 'store'), ...args]);
    await sweep.said(/"step":[1-9]/);
    let stops = 0;
    for (let i = 0; i < 4 && !sweep.over; i++) {
      const all = [sweep.child.pid!, ...children(sweep.child.pid!)];
      for (const pid of all) process.kill(pid, 'SIGSTOP');
      stops++;
      await new Promise((done) => setTimeout(done, 1600));
      for (const pid of all) process.kill(pid, 'SIGCONT');
      await new Promise((done) => setTimeout(done, 300));
    }
    const { code, output } = await sweep.ended;
    assert.is(code, 0, output);
    assert.is(stops, 4, 'it ran long enough');
    assert.not.match(output, /"retry"|no sign of life/);
  },
);

test('a full disk: the sweep stops and reports it, nothing is set aside, and it continues when there is room', async () => {
  const executor = wasmExecutor({ threads: 1 });
  const store = new MemoryStore();
  let room = 3; // appends
  const openFolder = async (hash: string): Promise<RunFolder> => {
    const folder = await store.openFolder(hash);
    const append = async (file: string, text: string) => {
      if (room-- <= 0)
        throw new DiskFullError(
          `${hash}: could not append to ${file}: ENOSPC; the disk is full; free some space and continue with --resume`,
        );
      await folder.append(file, text);
    };
    return { ...folder, append };
  };
  const runs = await Promise.all(
    [0, 1, 2, 3].map(async (seed) => {
      const experiment = parseExperiment({ ...base, budget: { batch: 16, steps: 40 }, seed });
      return { hash: await contentHash(experiment), experiment, name: `seed=${seed}`, settings: {} };
    }),
  );
  const startWorker = async () => ({
    train: (chunk: Parameters<typeof trainChunk>[0], hooks: Parameters<typeof trainChunk>[2]) =>
      trainChunk(chunk, { openFolder, executor: async () => executor, host: { runtime: 'test' } }, hooks),
    close: async () => {},
  });
  const stopped = await runSweep(runs as never, store, { startWorker });
  assert.match(
    String(stopped.stopped),
    /^no room on the disk: [0-9a-f]{16}: could not append to records.jsonl: ENOSPC; free some space, then run the same command again to continue$/,
  );
  assert.equal([stopped.failed.length, stopped.interrupted, stopped.trained], [0, true, 0]);
  for (const entry of (await store.read()).values()) assert.is(entry.state, 'waiting');
  room = Number.POSITIVE_INFINITY;
  const again = await runSweep(runs as never, store, { startWorker });
  assert.equal([again.trained, again.failed.length, again.stopped], [4, 0, undefined]);
  await executor.destroy();
});

// A small file system in memory, visible only to the commands of one shell. Not every machine allows that.
const onSmallDisk = (directory: string, script: string, ...more: string[]) =>
  ['-rm', 'sh', '-c', `mount -t tmpfs -o size=400k tmpfs "${directory}" && ${script}`, ...more] as const;
const allowed = spawnSync('unshare', onSmallDisk(tmpdir(), 'true')).status === 0;

(allowed ? test : test.skip)(
  'rhm sweep run on a disk that fills up: exit status 1, one sentence, then complete',
  async () => {
    const disk = join(scratch, 'disk');
    mkdirSync(disk);
    const spec = join(scratch, 'full.json');
    writeFileSync(spec, JSON.stringify({ base: { ...base, budget: { batch: 16, steps: 200 } }, seeds: 6 }));
    const args = [
      'sweep',
      'run',
      spec,
      '--out',
      join(disk, 'store'),
      '--executor',
      'wasm',
      '--threads',
      '1',
      '--pack',
      '1',
    ];
    const script = `
    "$0" "$@" --json > "${scratch}/first.out" 2>&1; dd if=/dev/zero of="${disk}/others" bs=1k 2>/dev/null
    rm -rf "${disk}/store/runs"/*; "$0" "$@" > "${scratch}/full.out" 2>&1; echo "code $?"
    rm "${disk}/others"; "$0" "$@" > "${scratch}/last.out" 2>&1; echo "code $?"`;
    const ran = await runProgram(
      'unshare',
      onSmallDisk(disk, `{ ${script}\n}`, process.execPath, resolve('dist/cli.js'), ...args),
    );
    const output = (name: string) => spawnSync('cat', [join(scratch, name)], { encoding: 'utf8' }).stdout;
    assert.equal(ran.stdout.match(/code \d+/g), ['code 1', 'code 0'], `${output('full.out')}\n${output('last.out')}`);
    assert.match(output('full.out'), /ENOSPC/);
    assert.not.match(output('full.out'), /not expected|--resume|set aside/);
    assert.match(output('last.out'), /6 of 6 runs are complete/);
    assert.ok(existsSync(disk));
  },
);

test.run();
