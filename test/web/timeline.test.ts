import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeRecording } from '../../src/analysis/recording.js';
import { storyStep } from '../../src/web/link.js';
import { lossAt, measuredSteps, nearestRun, Timeline } from '../../src/web/story/timeline.js';
import { answerOf, closing, roundedCount, storyOf } from '../../src/web/story/words.js';

const test = suite('the story as a function of time');
const recording = decodeRecording(new Uint8Array(readFileSync('src/web/story/recording.safetensors')));
const timeline = new Timeline(recording);

test('P never falls, each step ends where the next begins, and all of it takes at most 90 seconds', () => {
  assert.ok(timeline.seconds <= 90, String(timeline.seconds));
  let before = { step: 0, P: 0 };
  for (let seconds = 0; seconds <= timeline.seconds + 1; seconds += 0.1) {
    const now = timeline.at(seconds);
    assert.ok(now.P >= before.P && now.step >= before.step, `${seconds} s`);
    before = now;
  }
  assert.equal([before.step, before.P], [4, timeline.highest]);
  assert.equal(
    timeline.steps.map((_, i) => timeline.at(timeline.startOf(i)).step),
    [0, 1, 2, 3, 4],
  );
  assert.equal(
    timeline.steps.map(({ ell }) => ell),
    [0, 1, 2, 3, 4],
  );
});

test('the time of a P is one at which it is shown, from the first to the last', () => {
  for (const P of recording.sentences) {
    const told = timeline.at(timeline.timeOf(P)).P;
    assert.ok(Math.abs(Math.log(told / P)) < 1e-6, `${P} is told as ${told}`);
  }
});

test('a step ends when all networks have taken it, the question comes before the third', () => {
  const P = recording.networks.map((network) => measuredSteps(network, recording.H));
  for (const ell of [1, 2, 3]) {
    const { from, to } = timeline.steps[ell];
    for (const steps of P) assert.ok(steps[ell - 1]! < to, `step ${ell} at ${steps[ell - 1]}, told until ${to}`);
    assert.ok(Math.max(...P.map((steps) => steps[ell - 1]!)) > from, `step ${ell} is over before it is told`);
  }
  const asking = Array.from({ length: 900 }, (_, i) => timeline.at(i / 10)).filter((moment) => moment.asking);
  assert.ok(asking.length >= 60);
  assert.ok(asking.every(({ step, P }) => step === 2 && P === timeline.steps[3].from));
});

test('losses between two runs are on the drawn line; a cloud is that of the nearest run', () => {
  const [network] = recording.networks;
  const [a, b] = network.sentences;
  assert.is(lossAt(network, a), network.loss[0]);
  assert.ok(Math.abs(lossAt(network, Math.sqrt(a * b)) - Math.sqrt(network.loss[0] * network.loss[1])) < 1e-9);
  assert.is(lossAt(network, 1e9), network.loss[network.loss.length - 1]);
  assert.is(nearestRun(network, a * 1.01), 0);
  assert.is(nearestRun(network, b / 1.01), 1);
});

test('the words contain the numbers of the recording, and follow them', () => {
  const told = storyOf(recording);
  assert.is(told.length, 5);
  const P = recording.networks.map((network) => measuredSteps(network, recording.H)[2]!);
  for (const own of P) assert.ok(closing(recording).includes(roundedCount(own)), roundedCount(own));
  // A transformer that has not taken the third step by the end: no ratio is given, only that it needs more.
  const slow = {
    ...recording,
    networks: recording.networks.map((n) => (n.kind === 'mla' ? { ...n, loss: n.loss.map(() => recording.H[2]) } : n)),
  };
  assert.match(closing(slow), /transformer more than 130,000\. Theory/);
  assert.match(storyOf(slow)[4].sentences[1], /transformer beyond the recording/);
  const worse = {
    ...recording,
    networks: recording.networks.map((n) =>
      n.kind === 'hlcn' ? { ...n, sentences: n.sentences.map((x) => 4 * x) } : n,
    ),
  };
  assert.match(closing(worse), /falls behind, as argued/);
  assert.match(closing(recording), /keeps up with the CNN here/);
  const by = (kind: string) => recording.networks.find((n) => n.kind === kind)!;
  assert.match(answerOf(recording, by('mla')), /earlier than the/);
  assert.match(answerOf(recording, by('hcnn')), /together with/);
  assert.match(answerOf(worse, by('hcnn')), /hierarchical CNN will\.$/);
});

test('links of steps', () => {
  assert.equal(['#story=1', '#story=5', '#story=6', '#story', '#setting=abc', ''].map(storyStep), [
    1,
    5,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test.run();
