/** Progress of a sweep, on a clock controlled by the test. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createContext } from '../../src/cli/context.js';
import { progressLine } from '../../src/cli/sweep/run.js';
import type { ChunkProgress } from '../../src/sweep/chunk.js';
import { expandGrid, type SweepRun } from '../../src/sweep/grid.js';
import { SweepProgress, type SweepView } from '../../src/sweep/progress.js';
import { secondsLeft } from '../../src/training/members.js';

const test = suite('progress of a sweep');

const STEPS = 1000;
const BATCH = 8;
const runsOf = async (count: number): Promise<readonly SweepRun[]> =>
  (
    await expandGrid({
      base: {
        model: { kind: 'hcnn', width: 8 },
        grammar: { v: 6, m: 2, L: 2 },
        budget: { batch: BATCH, steps: STEPS },
      },
      seeds: count,
    })
  ).runs;

/** A sweep whose clock the test moves. */
function watched(runs: readonly SweepRun[]) {
  let now = 0;
  const views: SweepView[] = [];
  const progress = new SweepProgress(
    runs,
    (view) => views.push(view),
    () => now,
  );
  return {
    progress,
    views,
    pass: (seconds: number) => {
      now += 1000 * seconds;
    },
    /** All of a pack report the same step. */
    report: (pack: readonly SweepRun[], step: number, samplesPerSecond = 0) => {
      for (const { hash } of pack) {
        const told: ChunkProgress = { hash, step, steps: STEPS, loss: 1, samplesPerSecond };
        progress.at(0, told);
      }
    },
  };
}
const close = (a: number, b: number, what: string, rtol = 1e-9) =>
  assert.ok(Math.abs(a - b) <= rtol * Math.abs(b), `${what}: ${a}, not ${b}`);
const WINDOW = 1 / 30; // a second without a report, of the half minute considered

test('a run has no estimate of its time before some seconds of its speed are known', () => {
  assert.ok(Number.isNaN(secondsLeft(1000, 1, 0.5)));
  assert.ok(Number.isNaN(secondsLeft(1000, 0, 10)), 'no step done');
  assert.is(secondsLeft(900, 100, 4), 36);
  assert.is(secondsLeft(0, 100, 0.1), 0);
});

test('a slice that is cut off keeps what its runs have reached: no step back, no negative speed', async () => {
  const runs = await runsOf(4);
  const { progress, pass, report } = watched(runs);
  progress.begins(0, runs);
  for (let second = 0; second <= 10; second++) {
    report(runs, 60 * second);
    pass(1);
  }
  const before = progress.view();
  close(before.fraction, 0.6, 'fraction');
  progress.ends(0);
  pass(5);
  const after = progress.view();
  close(after.fraction, 0.6, 'fraction after the end of the slice');
  assert.ok(after.samplesPerSecond >= 0, `speed ${after.samplesPerSecond}`);
  assert.ok(after.secondsLeft > 0, `left ${after.secondsLeft}`);
  assert.not.match(progressLine(after), /-\d/);
});

test('runs that leave a pack early are not counted twice', async () => {
  const runs = await runsOf(4);
  const { progress, pass, report } = watched(runs);
  progress.begins(0, runs);
  report(runs, 500);
  pass(1);
  progress.ended(runs[0].hash, false);
  progress.ended(runs[1].hash, false);
  report(runs.slice(2), 500);
  // Two of four are done, two are half way.
  close(progress.view().fraction, 0.75, 'fraction');
  pass(1);
  report(runs.slice(2), 600);
  close(progress.view().fraction, 0.8, 'fraction');
});

test('the speed is that of the last half minute, of the pack that trains now, in trained sentences', async () => {
  const runs = await runsOf(6);
  const { progress, pass, report, views } = watched(runs);
  const small = runs.slice(0, 2);
  progress.begins(0, small);
  for (let step = 0; step < 100; step++) {
    report(small, step);
    pass(1);
  }
  close(progress.view().samplesPerSecond, 2 * BATCH, 'two runs, a step a second', WINDOW);
  for (const run of small) progress.ended(run.hash, false); // nine tenths of it saved: not speed
  progress.ends(0);
  const large = runs.slice(2);
  progress.begins(0, large);
  for (let step = 0; step < 100; step++) {
    report(large, 400 + 3 * step); // resumed at 400, which is not speed either
    pass(1);
  }
  close(progress.view().samplesPerSecond, 4 * 3 * BATCH, 'four runs, three steps per second', WINDOW);
  close(progress.view().secondsLeft, (1000 - 400 - 3 * 99) / 3, 'time left', WINDOW);
  for (const view of views) assert.ok(view.samplesPerSecond >= 0 && view.samplesPerSecond <= 4 * 3 * BATCH + 1e-9);
});

test('a worker that died takes its runs back to their checkpoint: less done, and still no negative speed', async () => {
  const runs = await runsOf(1);
  const { progress, pass, report } = watched(runs);
  progress.begins(0, runs);
  for (const step of [0, 300, 600]) {
    report(runs, step);
    pass(2);
  }
  progress.ends(0);
  progress.begins(0, runs);
  report(runs, 200);
  pass(2);
  report(runs, 300);
  const view = progress.view();
  close(view.fraction, 0.3, 'fraction');
  assert.ok(view.samplesPerSecond > 0 && view.secondsLeft > 0, JSON.stringify(view));
});

test('without a terminal lines are two seconds apart, but the last one is always written', () => {
  const lines: string[] = [];
  const write = process.stderr.write;
  const terminal = process.stderr.isTTY;
  process.stderr.isTTY = false;
  process.stderr.write = ((text: string) => lines.push(text) > 0) as typeof write;
  try {
    const io = createContext({} as never);
    io.progress('one');
    io.progress('two');
    io.progress('three', true);
  } finally {
    process.stderr.write = write;
    process.stderr.isTTY = terminal;
  }
  assert.equal(lines, ['one\n', 'three\n']);
});

test('runs that are found complete on the way do not count towards the pace', async () => {
  const runs = await runsOf(3);
  const { progress, pass, report } = watched(runs);
  progress.begins(0, [runs[0]]);
  report([runs[0]], 0);
  pass(2);
  report([runs[0]], 200);
  pass(2);
  report([runs[0]], 400);
  progress.ended(runs[1].hash, false, true);
  // 100 steps per second, 600 and 1000 steps are left.
  close(progress.view().secondsLeft, 16, 'seconds left');
});

test.run();
