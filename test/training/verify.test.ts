import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeSafetensors, encodeSafetensors } from '../../src/core/safetensors.js';
import type { GpuSession } from '../../src/gpu/device.js';
import { gpuExecutor, referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import { type VerifiedCase, verifyGolden } from '../../src/training/verify.js';
import { rhm } from '../support/run.js';

const test = suite("golden cases of the authors' PyTorch code");
const kinds = ['hcnn', 'hlcn', 'fcn', 'mla', 'clm', 'hcnn-bias', 'hlcn-bias', 'fcn-bias'];
const read = (kind: string) => new Uint8Array(readFileSync(`test/data/golden/${kind}.safetensors`));

let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

function expectOk({ file, executor, groups, ok }: VerifiedCase): void {
  const text = Object.entries(groups).map(([n, g]) => `${n} ${g.worst.toExponential(1)} of ${g.bound} at ${g.where}`);
  assert.ok(ok, `${file} on ${executor}: ${text.join(', ')}`);
}

for (const kind of kinds) {
  test(`${kind}, float64 reference`, async () => expectOk(await verifyGolden(read(kind), kind, referenceExecutor())));
  test(`${kind}, WebGPU`, async () => expectOk(await verifyGolden(read(kind), kind, gpuExecutor(gpu))));
  test(`${kind}, WebGPU, three replicas`, async () =>
    expectOk(await verifyGolden(read(kind), kind, gpuExecutor(gpu), 3)));
  test(`${kind}, WebAssembly, two threads, three replicas`, async () => {
    const executor = wasmExecutor({ threads: 2, spawn: spawnNodeThread });
    expectOk(await verifyGolden(read(kind), kind, executor, 3));
    await executor.destroy();
  });
}

test('the way in which the inputs of a case were made is reported', async () => {
  const inputs = async (kind: string) => (await verifyGolden(read(kind), kind, referenceExecutor())).inputs;
  assert.equal(await inputs('fcn'), { whitened: 'f32', flattened: 'by position' });
  assert.equal(await inputs('fcn-bias'), { whitened: 'f64', flattened: 'by symbol' });
});

/** A case with one number of a tensor changed by a thousandth of the tensor's largest. */
function wrong(kind: string, name: string): Uint8Array {
  const file = decodeSafetensors(read(kind), kind);
  const tensor = file.tensors.get(name)!;
  const data = Float64Array.from(tensor.data as Float64Array);
  data[data.length >> 1] += 5e-3 * Math.max(...data.map(Math.abs));
  file.tensors.set(name, { ...tensor, data });
  return encodeSafetensors(file);
}

for (const [group, name] of [
  ['logits', 'logits'],
  ['loss', 'loss'],
  ['grad', 'grad/hidden.1.0.bias'],
  ['sgd', 'sgd/param/hidden.0.0.bias'],
  ['adamw', 'adamw/losses'],
] as const)
  test(`a wrong ${group} is found`, async () => {
    for (const kind of ['hcnn-bias', 'hlcn-bias', 'fcn-bias']) {
      const { ok, groups } = await verifyGolden(wrong(kind, name), kind, referenceExecutor());
      assert.not(ok, kind);
      for (const [other, { worst, bound }] of Object.entries(groups))
        assert.is(worst <= bound, other !== group, `${kind}: ${other} ${worst} of ${bound}`);
    }
  });

test('rhm verify ends with 1 if one of its cases is wrong, and names it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rhm-verify-'));
  try {
    const bad = join(folder, 'bad.safetensors');
    writeFileSync(bad, wrong('fcn', 'grad/readout'));
    const good = 'test/data/golden/hcnn.safetensors';
    const device = ['--executor', 'wasm', '--threads', '1'];
    assert.is((await rhm(['verify', good, ...device])).code, 0);
    for (const files of [
      [bad, good],
      [good, bad],
    ]) {
      const { code, stdout } = await rhm(['verify', ...files, ...device, '--json']);
      assert.is(code, 1);
      for (const { file, ok, groups } of JSON.parse(stdout).cases) {
        assert.is(ok, file === good);
        assert.is(groups.grad.worst <= groups.grad.bound, file === good);
        assert.ok(groups.sgd.worst <= groups.sgd.bound);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
