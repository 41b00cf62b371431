/** Files read by a program come as Buffers, as parts of them, or as memory shared by threads: all stand for the same bytes. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Bytes } from '../../src/core/bytes.js';
import { lab, MemoryFolder, startWorker } from '../../src/entry/node.js';
import { bytesOfEveryKind } from '../support/bytes.js';

const test = suite('bytes that come into the laboratory');

const small = { grammar: { v: 6, m: 2, L: 2 }, model: { kind: 'hcnn', width: 8 }, evaluation: { size: 32 } } as const;
const wasm = { executor: 'wasm', threads: 1 } as const;

test('initial weights', async () => {
  const first = await lab.train({ ...small, budget: { steps: 40, batch: 8 } }, wasm);
  const file = first.checkpoint!;
  const worker = await startWorker(pathToFileURL(resolve('dist/worker.node.js')));
  const lossOf = async (init: Bytes, api: Pick<typeof lab, 'train'>) => {
    const { records } = await api.train({ ...small, seed: 1, budget: { steps: 2, batch: 8 } }, { ...wasm, init });
    return records.flatMap((r) => (r.type === 'eval' ? [r.loss] : []));
  };
  const want = await lossOf(file, lab);
  assert.is(want.length, 2);
  assert.not.equal(
    want,
    await lossOf((await lab.train({ ...small, budget: { steps: 1, batch: 8 } }, wasm)).checkpoint!, lab),
  );
  try {
    for (const [name, bytes] of Object.entries(bytesOfEveryKind(file))) {
      assert.equal(await lossOf(bytes, lab), want, name);
      assert.equal(await lossOf(bytes, worker.api as never), want, `${name}, to a worker`);
    }
  } finally {
    await worker.terminate();
  }
});

test('a folder in memory keeps what was written, whatever becomes of the memory that it lay in', async () => {
  for (const [name, bytes] of Object.entries(bytesOfEveryKind(Uint8Array.of(1, 2, 3)))) {
    if (!(bytes instanceof Uint8Array)) continue;
    const folder = new MemoryFolder();
    await folder.write('file', bytes);
    bytes.fill(9);
    assert.equal([...(await folder.read('file'))!], [1, 2, 3], name);
  }
});

test.run();
