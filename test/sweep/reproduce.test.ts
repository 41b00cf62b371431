import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { DeviceLostError, FileError } from '../../src/core/errors.js';
import { formatRecord } from '../../src/core/records.js';
import { defaultFigures, figureNames, planReproduction, SMALLEST_STEP, scales } from '../../src/sweep/reproduce.js';
import { runMissing, type StudyProgress, type TrainOne } from '../../src/sweep/runMissing.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { rulesOf } from '../../src/training/members.js';

const test = suite('reproduce');

/** A store in memory, and a trainer that only writes the records of a run. */
function bench() {
  const folders = new Map<string, MemoryFolder>();
  const trained: string[] = [];
  const store = {
    async open(hash: string) {
      if (!folders.has(hash)) folders.set(hash, new MemoryFolder(hash));
      return folders.get(hash)!;
    },
  };
  const trainOne: TrainOne = async (experiment, folder, { signal, onProgress }) => {
    trained.push(folder.name);
    const steps = experiment.budget.steps!;
    for (const part of [0.5, 1]) {
      if (signal?.aborted) return { reason: 'interrupted' };
      onProgress({ step: part * steps, steps, loss: 1, samplesPerSecond: 1, secondsLeft: 1 });
    }
    await folder.append(files.records, formatRecord({ type: 'end', replica: 0, reason: 'done' }));
    return { reason: 'done' };
  };
  return { folders, trained, store, trainOne };
}

test('every figure of every scale has a plan whose runs differ and can be told by their hash', async () => {
  for (const scale of scales) {
    for (const figure of figureNames) assert.ok(planReproduction(scale, [figure]).length > 0, `${scale} ${figure}`);
    const plan = planReproduction(scale);
    const hashes = await Promise.all(plan.map((run) => contentHash(run.experiment)));
    assert.is(new Set(hashes).size, plan.length);
    assert.is(planReproduction(scale, [...defaultFigures[scale]]).length, plan.length);
  }
});

test('the quick scale holds the claim: three m, several grammars, both models on the same ones', () => {
  const plan = planReproduction('quick');
  const of = (kind: string) => plan.filter((r) => r.experiment.model.kind === kind);
  assert.equal([...new Set(plan.map((r) => r.experiment.grammar.m))], [2, 3, 4]);
  assert.ok(of('hcnn').length >= 12);
  const grammars = (kind: string) =>
    of(kind)
      .map((r) => `${r.experiment.grammar.m} ${r.experiment.grammar.seed}`)
      .sort();
  assert.ok(grammars('mla').length >= 9);
  for (const grammar of grammars('mla')) assert.ok(grammars('hcnn').includes(grammar), grammar);
});

test('every grammar of a plan has a last step that can be seen, and its run ends behind it', () => {
  for (const { name, experiment } of planReproduction('quick', ['sharing'])) {
    const { H } = lossPlateaus(rulesOf(experiment));
    const [above, floor] = H.slice(-2);
    assert.ok(above - floor >= SMALLEST_STEP, name);
    const stop = experiment.budget.stopLoss!;
    assert.ok(stop > floor && stop < floor + (above - floor) / 2, name);
  }
});

test('an unknown figure is refused with the known ones', () => {
  assert.throws(() => planReproduction('quick', ['curvs']), /figure: got curvs; pass some of curves, positions/);
});

test('runs what is missing, skips what is there, tells the time left', async () => {
  const { store, trainOne, trained } = bench();
  const plan = planReproduction('quick', ['correlations']).slice(0, 6);
  const seen: StudyProgress[] = [];
  const first = await runMissing(plan, store, trainOne, { onProgress: (p) => seen.push(p) });
  assert.equal({ ...first }, { trained: 6, skipped: 0, failed: [], interrupted: false });
  assert.equal([seen.length, seen.at(-1)!.index, seen.at(-1)!.total], [12, 5, 6]);
  assert.ok(Number.isNaN(seen[0].secondsLeft) && seen.slice(1).every((p) => p.secondsLeft >= 0));
  const again = await runMissing(plan, store, trainOne);
  assert.equal([again.trained, again.skipped, trained.length], [0, 6, 6]);
});

test('an interruption is told, and the next call goes on from there', async () => {
  const { store, trainOne, trained } = bench();
  const plan = planReproduction('quick', ['correlations']).slice(0, 5);
  const abort = new AbortController();
  const first = await runMissing(plan, store, trainOne, {
    signal: abort.signal,
    onProgress: ({ index }) => index === 2 && abort.abort(),
  });
  assert.equal([first.trained, first.interrupted], [2, true]);
  const second = await runMissing(plan, store, trainOne);
  assert.equal([second.trained, second.skipped, second.interrupted], [3, 2, false]);
  assert.is(trained.length, 6); // the third was begun twice
});

test('a run that fails does not stop the others; a lost device and a fault of the program do', async () => {
  const plan = planReproduction('quick', ['correlations']).slice(0, 3);
  const failing = (error: Error) => {
    const { store, trainOne } = bench();
    let calls = 0;
    return runMissing(plan, store, async (...args) => {
      if (calls++ === 1) throw error;
      return trainOne(...args);
    });
  };
  const result = await failing(new FileError('the disk is full'));
  assert.equal([result.trained, result.failed.map((f) => f.error.message)], [2, ['the disk is full']]);
  for (const error of [new DeviceLostError('gone'), new TypeError('a fault')]) {
    try {
      await failing(error);
      assert.unreachable(`${error.name} was swallowed`);
    } catch (caught) {
      assert.is(caught, error);
    }
  }
});

test.run();
