import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AdapterError, DeviceLostError, GpuError } from '../../src/core/errors.js';
import type { GpuSession } from '../../src/gpu/device.js';
import { openGpu } from '../../src/gpu/device.js';
import { compileShader, createBuffer, readBuffer, scoped } from '../../src/gpu/scope.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { failure, testAdapters } from '../support/gpu.js';

for (const adapter of testAdapters) {
  const test = suite<{ session: GpuSession }>(`device on ${adapter ?? 'the adapter of this machine'}`);
  test.before.each(async (context) => {
    context.session = await openNodeGpu({ adapter });
  });
  test.after.each(async ({ session }) => {
    await session.release();
  });

  test('names the adapter and says whether it is software', ({ session }) => {
    assert.ok(session.info.name);
    if (adapter) assert.equal([session.info.name.toLowerCase(), session.info.software], [adapter, true]);
    assert.match(session.info.runtime, /^node \d+/);
    assert.ok(session.limits.maxStorageBuffersPerShaderStage >= 8);
  });

  test('computes and reads back', async ({ session }) => {
    const data = await squares(session, 97);
    assert.equal(
      [...data],
      [...Array(97).keys()].map((i) => i * i),
    );
  });

  test('a shader that does not compile throws with its line', async ({ session }) => {
    const error = await failure(() =>
      compileShader(session, 'broken', '@compute @workgroup_size(1)\nfn main() {\n  let x: u32 = 1.5;\n}\n'),
    );
    assert.instance(error, GpuError);
    assert.match(error.message, /^broken\.wgsl:3:\d+: /);
    assert.match(error.message, 'let x: u32 = 1.5;');
    session.check(); // nothing was latched: the scope caught it
  });

  test('a buffer over the limit throws before the GPU is used', async ({ session }) => {
    const error = await failure(() => createBuffer(session, 'huge', session.limits.maxBufferSize + 4, 0x80));
    assert.instance(error, GpuError);
    assert.match(error.message, /^buffer huge: \d+ bytes are requested, .* allows \d+; use a smaller/);
  });

  test('a refused creation throws where it was made', async ({ session }) => {
    const error = await failure(() =>
      scoped(session, 'bind group layout bad', () =>
        session.device.createBindGroupLayout({ entries: [{ binding: 99999, visibility: 4, buffer: {} }] }),
      ),
    );
    assert.instance(error, GpuError);
    assert.match(error.message, /^bind group layout bad: .*99999/);
  });

  test('an error that nothing awaited is latched and thrown once', async ({ session }) => {
    const buffer = session.device.createBuffer({ size: 16, usage: 0x8 });
    session.queue.writeBuffer(buffer, 64, new Uint32Array(4)); // out of range
    const error = await failure(() => session.drain());
    assert.instance(error, GpuError);
    assert.match(error.message, /no call waited for/);
    session.check();
  });

  test('a lost device ends waits and later calls with a DeviceLostError', async ({ session }) => {
    const wait = failure(() => session.guard(new Promise(() => {})));
    session.device.destroy(); // without the session's knowledge, as a driver reset would
    const error = await wait;
    assert.instance(error, DeviceLostError);
    assert.match(error.message, /was lost .*--resume/);
    assert.instance(await failure(() => session.check()), DeviceLostError);
    assert.instance(await failure(() => session.drain()), DeviceLostError);
    assert.is((await session.lost).released, false);
  });

  test('release waits for work, may be called twice, and ends the session', async ({ session }) => {
    const late = squares(session, 5);
    await late;
    await Promise.all([session.release(), session.release()]);
    assert.is((await session.lost).released, true);
    assert.match((await failure(() => session.check())).message, /was released/);
  });

  test('a missing feature or limit is refused by name', async () => {
    const feature = await failure(() => openNodeGpu({ adapter, requiredFeatures: ['no-such-feature'] }));
    assert.instance(feature, AdapterError);
    assert.match(feature.message, /"no-such-feature" is required/);
    const limit = await failure(() =>
      openNodeGpu({ adapter, requiredLimits: { maxComputeWorkgroupStorageSize: 1e9 } }),
    );
    assert.instance(limit, AdapterError);
    assert.match(limit.message, /maxComputeWorkgroupStorageSize is \d+, at least 1000000000 is required/);
  });

  test.run();
}

const none = suite('no adapter');
none('says what to install', async () => {
  const gpu = { requestAdapter: async () => null } as unknown as GPU;
  const error = await failure(() => openGpu(gpu, { remedy: 'install a driver' }));
  assert.instance(error, AdapterError);
  assert.is(error.message, 'No WebGPU adapter was found; install a driver');
});
none('an unknown adapter name lists those there are', async () => {
  const error = await failure(() => openNodeGpu({ adapter: 'voodoo2' }));
  assert.instance(error, AdapterError);
  // The second message if the machine has no Vulkan driver at all.
  assert.match(error.message, /No WebGPU adapter was found|adapter voodoo2: no Vulkan driver is installed; install/);
});
none.run();

/** i * i for i < count, computed on the GPU. */
async function squares(session: GpuSession, count: number): Promise<Uint32Array> {
  const module = await compileShader(
    session,
    'squares',
    `@group(0) @binding(0) var<storage, read_write> result: array<u32>;
     @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
       if (id.x < arrayLength(&result)) { result[id.x] = id.x * id.x; }
     }`,
  );
  const pipeline = await scoped(session, 'squares', () =>
    session.device.createComputePipelineAsync({ layout: 'auto', compute: { module } }),
  );
  const buffer = await createBuffer(session, 'result', count * 4, 0x80 | 0x4);
  const group = session.device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  const encoder = session.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(Math.ceil(count / 64));
  pass.end();
  session.queue.submit([encoder.finish()]);
  const data = new Uint32Array(await readBuffer(session, buffer));
  buffer.destroy();
  return data;
}
