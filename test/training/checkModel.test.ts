import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { createModel } from '../../src/models/index.js';
import { modelShape } from '../../src/models/types.js';
import { checkGradients, checkModel } from '../../src/training/checkModel.js';

const test = suite('checkModel');

const grammar = { v: 6, m: 2, s: 2, L: 3, seed: 1 };
const models: Record<string, ExperimentInput> = {
  hcnn: { model: { kind: 'hcnn', width: 10, bias: true } },
  'hcnn of two layers': { model: { kind: 'hcnn', width: 10, depth: 2 }, task: { kind: 'class' } },
  hlcn: { model: { kind: 'hlcn', width: 7, bias: true } },
  fcn: { model: { kind: 'fcn', width: 9, bias: true } },
  mla: { model: { kind: 'mla', channels: 12, heads: 3 } },
  'mla, residual': { model: { kind: 'mla', channels: 12, heads: 3, residual: true } },
  'mla, MLP': { model: { kind: 'mla', channels: 12, heads: 3, ratio: 2 }, task: { kind: 'class' } },
  'mla, ordinary': { model: { kind: 'mla', channels: 12, heads: 3, residual: true, ratio: 2, norm: 'layer' } },
  'mla, RMS norms': { model: { kind: 'mla', channels: 12, heads: 3, residual: true, ratio: 2, norm: 'rms' } },
  clm: { model: { kind: 'clm', channels: 12, heads: 3, dropout: 0.25 }, task: { kind: 'auto' } },
  'mla, masked tokens': { model: { kind: 'mla', channels: 12, heads: 3, ratio: 2 }, task: 'mask' },
  'clm, masked tokens': { model: { kind: 'clm', channels: 12, heads: 3 }, task: 'mask' },
  unet: { model: { kind: 'unet', width: 8 }, task: 'mask' },
  'unet of two layers': { model: { kind: 'unet', width: 8, depth: 2 }, task: { kind: 'mask', positions: [2, 7] } },
  'hcnn, every hidden symbol': { model: { kind: 'hcnn', width: 10 }, task: 'parse' },
  'hlcn, every hidden symbol': { model: { kind: 'hlcn', width: 7, bias: true }, task: 'parse' },
  'fcn, every hidden symbol': { model: { kind: 'fcn', width: 9 }, task: 'parse' },
  'perceptron, every hidden symbol': { model: { kind: 'fcn', depth: 0 }, task: 'parse' },
  'mla, every hidden symbol': { model: { kind: 'mla', channels: 12, heads: 3, ratio: 2 }, task: 'parse' },
  'clm, tied': { model: { kind: 'clm', channels: 12, heads: 2, tied: true }, task: { kind: 'auto' } },
};

for (const [name, experiment] of Object.entries(models))
  test(`${name}: gradients as finite differences`, async () => {
    const { ok, loss, parameters } = await checkModel({ grammar, ...experiment });
    assert.ok(Number.isFinite(loss) && loss > 0);
    assert.ok(ok, parameters.map((p) => `${p.name} ${p.error}`).join(', '));
  });

test('a wrong gradient is named', async () => {
  const experiment = parseExperiment({ grammar, ...models.mla });
  const model = createModel(experiment);
  const shape = modelShape(experiment);
  const spoilt: typeof model = {
    ...model,
    forward(plan, options) {
      const forward = model.forward(plan, options);
      return {
        ...forward,
        backward(dLogits) {
          forward.backward(dLogits);
          const at = plan.calls.findIndex(({ label }) => label === 'blocks.1.projection gradient');
          const call = plan.calls[at];
          plan.calls[at] = { ...call, params: { ...call.params, scale: 1.01 * Number(call.params.scale) } };
        },
      };
    },
  };
  const { ok, parameters } = await checkGradients(spoilt, shape);
  assert.not.ok(ok);
  assert.equal(
    parameters.filter((p) => !p.ok).map((p) => p.name),
    ['blocks.1.projection'],
  );
});

test.run();
