/** The kernels meant for GPUs, which software drivers take seconds to compile. */
import { suite } from 'uvu';
import { threefry } from '../../src/core/threefry.js';
import type { GpuSession } from '../../src/gpu/device.js';
import { backwardCase } from '../../src/kernels/embedBackward.js';
import { gpuExecutor } from '../../src/kernels/index.js';
import type { KernelCase } from '../../src/kernels/shared/types.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { softwareDrivers } from '../support/gpu.js';
import { cases, checkAll, inMemory, variants } from './embedBackwardShapes.js';
import type { Draw } from './harness.js';

const test = suite('kernel embedBackward, as on a GPU');
let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

// SwiftShader compiles each for 5 to 15 s: if it is the only driver, one of every kind.
const alone = softwareDrivers.length === 1;
const tried = (names: RegExp, few: RegExp) => cases.filter(({ name }) => (alone ? few : names).test(name));
for (const item of tried(/./, /^(one of everything|hcnn|ranges of windows)$/))
  test(`memory: ${item.name}`, () => checkAll(item, gpuExecutor(gpu, inMemory, variants.memory)));
for (const item of tried(/hcnn|hlcn|one of/, /^hlcn$/))
  test(`little memory: ${item.name}`, () => checkAll(item, gpuExecutor(gpu, inMemory, variants.little)));
for (const item of tried(/hcnn|hlcn|many|large/, /^(hcnn|large vocabulary)$/))
  test(`registers: ${item.name}`, () => checkAll(item, gpuExecutor(gpu, inMemory, variants.registers)));

test('memory: random shapes', async () => {
  let counter = 0;
  const draw: Draw = (low, high) => low + (threefry([20250507, 9], counter++, 0)[0] % (high - low + 1));
  const executor = gpuExecutor(gpu, inMemory, variants.memory);
  for (let i = 0; i < (alone ? 1 : 6); i++) await checkAll(randomCase(`random shape ${i}`, draw), executor);
});

test.run();

function randomCase(name: string, draw: Draw): KernelCase {
  const [filter, stride, padding, windows] = [draw(1, 6), draw(1, 3), draw(0, 1), draw(1, 9)];
  const length = Math.max(1, (windows - 1) * stride + filter - 2 * padding);
  const [firstToken, v] = [draw(0, 2), draw(2, 40)];
  const item = backwardCase(name, {
    ...{ v, filter, stride, padding, windows, length, firstToken, d: firstToken + length + draw(0, 1) },
    ...{ width: draw(1, 70), batch: draw(1, 60), scale: 0.5, masked: draw(-1, length - 1) },
    ...{ whitened: draw(0, 1) === 1, local: draw(0, 1) === 1, relu: draw(0, 1) === 1 },
  });
  return { ...item, replicas: draw(1, 3) };
}
