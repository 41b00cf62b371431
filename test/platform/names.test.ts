import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { modelKinds } from '../../src/core/modelFacts.js';
import { optimisers } from '../../src/core/optimisers.js';
import { taskKinds } from '../../src/core/tasks.js';
import { measures } from '../../src/measures/index.js';
import { rhm } from '../support/run.js';

/** The lists of what an experiment may name. */
const test = suite('rhm models, tasks, optimisers, measures');

interface Row {
  name: string;
  about: string;
  tasks?: string[];
  models?: string[];
  options?: string[];
}

async function listed(...args: string[]): Promise<Row[]> {
  const { stdout, stderr, code } = await rhm([...args, '--json']);
  assert.is(code, 0, stderr);
  return JSON.parse(stdout);
}

const names = {
  models: modelKinds(),
  tasks: taskKinds,
  optimisers: Object.keys(optimisers),
  measures: Object.keys(measures),
};
for (const [list, wanted] of Object.entries(names))
  test(`${list}: every name once, on a separate line that fits a terminal`, async () => {
    const rows = await listed(list);
    assert.equal(
      rows.map(({ name }) => name),
      wanted,
    );
    const { stdout } = await rhm([list]);
    const lines = stdout.split('\n');
    for (const { name, about } of rows) {
      assert.ok(about.length > 8, name);
      const own = lines.filter((line) => line.startsWith(`${name} `));
      assert.is(own.length, 1, name);
      assert.ok(own[0].endsWith(about) && own[0].length <= 130, own[0]);
    }
  });

test('models and tasks name each other', async () => {
  const models = await listed('models');
  const tasks = await listed('tasks');
  for (const model of models)
    for (const task of tasks)
      assert.is(model.tasks!.includes(task.name), task.models!.includes(model.name), `${model.name} ${task.name}`);
  assert.equal(models.find(({ name }) => name === 'fcn')?.options, ['width', 'scaling', 'bias', 'depth']);
});

test('a model of your own is in the list', async () => {
  const folder = mkdtempSync('/tmp/rhm-names-');
  try {
    const module = join(folder, 'tower.mjs');
    writeFileSync(
      module,
      "export const tower = { kind: 'tower', title: 'tower of sums', options: {}, forward() { throw new Error('not built'); } };\n",
    );
    const own = (await listed('models', '--models', module)).at(-1);
    assert.is(own?.name, 'tower');
    assert.match(own!.about, /tower of sums/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
