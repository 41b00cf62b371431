import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPageWorker } from '../../src/web/pageWorker.js';

/** The worker of the page, called directly: what its functions guarantee to a slow page. */
const test = suite('the page’s worker');

if (!('navigator' in globalThis))
  Object.defineProperty(globalThis, 'navigator', { value: { userAgent: 'Node', hardwareConcurrency: 1 } });

const experiment = {
  grammar: { v: 6, m: 2, s: 2, L: 2 },
  model: { kind: 'hcnn', width: 8 },
  budget: { steps: 20, batch: 8 },
  evaluation: { size: 32 },
} as const;

test('a run ends after the page has answered its last event: none comes after the result', async () => {
  const { api, close } = createPageWorker();
  try {
    const answered: string[] = [];
    let asked = 0;
    const tell = (event: { kind: string; record?: { type: string } }) => {
      asked++;
      return new Promise<void>((resolve) => {
        setTimeout(() => {
          answered.push(event.record?.type ?? event.kind);
          resolve();
        }, 60);
      });
    };
    const reason = await api.run(experiment, { executor: 'wasm', mostThreads: 1 }, tell);
    assert.is(reason, 'done');
    assert.is(answered.length, asked);
    assert.ok(answered.filter((what) => what === 'eval').length > 5, answered.join());
    assert.is(answered.at(-1), 'end');
  } finally {
    await close();
  }
});

test('a page that refuses an event does not keep the run from ending', async () => {
  const { api, close } = createPageWorker();
  try {
    const tell = ({ kind }: { kind: string }) => (kind === 'record' ? Promise.reject(new Error('gone')) : undefined);
    const rejections: unknown[] = [];
    const note = (error: unknown) => rejections.push(error);
    process.on('unhandledRejection', note);
    assert.is(await api.run(experiment, { executor: 'wasm', mostThreads: 1 }, tell), 'done');
    process.off('unhandledRejection', note);
    assert.equal(rejections, []);
  } finally {
    await close();
  }
});

test.run();
