import source from '../../shaders/lookup.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import * as reference from '../reference/lookup.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';

/** output[i] = table[index[i]], whole numbers; overwrites. An index beyond the table gives its last entry. */
export const lookup = defineOperation({
  name: 'lookup',
  inputs: { table: 'u32 R entries', index: 'u32 R ...elements' },
  outputs: { output: 'u32 R ...elements' },
  reference: ({ table, index, output }, { entries, elements }) =>
    reference.lookup(entries, elements, table, index, output),
  webgpu({ params: { elements }, replicas, launch }) {
    const [x, y] = linearGrid(Math.ceil(elements / 64));
    return [launch({ source, workgroups: [x, y, replicas] })];
  },
  wasm: { launch: ({ params: { elements }, replicas }) => [{ parts: partsFor(replicas * elements) }] },
  cost: ({ elements }) => ({ flops: 0, bytes: 12 * elements }),
  cases: () =>
    [
      [7, 45],
      [1, 3],
      [300, 1],
    ].map(([entries, elements]) => ({
      name: `${elements} of ${entries}`,
      replicas: 3,
      rtol: 0,
      atol: 0,
      fill: {
        table: (_, random) => Math.floor(random() * 2 ** 32),
        index: (i, random) => (i === 0 ? entries - 1 : Math.floor(random() * entries)),
      },
      build(plan) {
        const p = plan.program;
        const index = p.persistent('index', [elements], 'u32');
        const table = p.persistent('table', [entries], 'u32');
        lookup(plan, { label: 'case', table, index, output: p.persistent('output', [elements], 'u32') });
      },
    })),
});
