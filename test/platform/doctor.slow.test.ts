import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DoctorReport } from '../../src/platform/doctor.js';
import { softwareDrivers } from '../support/gpu.js';
import { rhm } from '../support/run.js';

const test = suite('rhm doctor');

for (const adapter of softwareDrivers)
  test(`doctor --json on ${adapter} finds every kernel right`, async () => {
    const { code, stdout, stderr } = await rhm(['doctor', '--json', '--adapter', adapter], { timeoutSeconds: 600 });
    assert.is(code, 0, stderr);
    const report = JSON.parse(stdout) as DoctorReport;
    assert.is(report.adapter.name.toLowerCase(), adapter);
    assert.is(report.adapter.software, true);
    assert.is(report.ok, true);
    assert.ok(report.kernels.length > 0 && report.kernels.every((k) => k.ok && k.cases > 0 && k.worst <= 1));
    assert.is(report.compileClock, 'processor');
    assert.ok(report.kernels.every((k) => k.compileMs >= 0 && /^[a-z]\w+$/i.test(k.compileShader)));
    assert.is(report.matmuls.length, 3);
    assert.ok(report.matmuls.every((m) => m.gflops > 0));
    assert.ok(report.dispatch.microseconds > 0);
    assert.ok(report.limits.maxStorageBuffersPerShaderStage >= 8);
  });

test.run();
