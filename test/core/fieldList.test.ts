import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { experimentFields, parseExperiment } from '../../src/core/experiment.js';
import { experimentYaml, fieldList } from '../../src/core/fieldList.js';
import { modelFacts, modelKinds } from '../../src/core/modelFacts.js';
import { setField } from '../../src/core/settings.js';

const test = suite('list of the fields of an experiment');

test('every field of the schema, each with a meaning and with what it takes', () => {
  const all = fieldList();
  const names = new Set(all.map(({ field }) => field));
  const sections = new Set([...names].map((name) => name.split('.')[0]));
  for (const name of experimentFields()) assert.ok(names.has(name) || sections.has(name), name);
  for (const { field, meaning, values } of all) assert.ok(meaning && values, field);
  const keys = all.flatMap(({ field, kinds = [''] }) => kinds.map((kind) => `${field} ${kind}`));
  assert.equal(keys, [...new Set(keys)], 'a field is listed once for each kind');
});

test('what a field takes and its default are those of the schema', () => {
  const of = (name: string) => fieldList().filter(({ field }) => field === name);
  assert.equal(of('grammar.m'), [
    {
      field: 'grammar.m',
      meaning: 'm, production rules per symbol',
      values: 'a whole number from 1 to 65536',
      default: 4,
    },
  ]);
  assert.equal(
    of('model.heads').map((one) => [one.kinds, one.default]),
    [
      [['mla'], 16],
      [['clm'], 8],
    ],
  );
  assert.equal(of('grammar.n')[0].otherwise, 'v');
  assert.match(of('optimiser.kind')[0].otherwise!, /^sgd with hcnn, .*; adamw with mla, clm$/);
  // Every default of the list is what parseExperiment fills in.
  for (const kind of modelKinds()) {
    const experiment = parseExperiment({ model: kind }) as unknown as Record<string, Record<string, unknown>>;
    for (const { field, kinds, default: value } of fieldList()) {
      const [section, key] = field.split('.');
      const own = section === 'optimiser' ? modelFacts(kind).optimiser.kind : kind;
      if (value === undefined || field.endsWith('.kind') || (kinds && !kinds.includes(own))) continue;
      if (section === 'optimiser' && key in modelFacts(kind).optimiser) continue; // the model's own
      assert.equal(key === undefined ? experiment[section] : experiment[section][key], value, `${kind} ${field}`);
    }
  }
});

test('the file with all fields is the experiment of all defaults, for every model', () => {
  for (const kind of modelKinds()) {
    const { tasks } = modelFacts(kind);
    const task = tasks.includes('last') ? 'last' : tasks[0];
    const text = experimentYaml(kind);
    assert.equal(parseExperiment(parse(text)), parseExperiment({ model: kind, task }), kind);
    assert.match(text, /^ {2}#context:$/m);
  }
});

test('a field of the file that is a comment can be set by removing its #', () => {
  const text = experimentYaml('hcnn')
    .replace('#context:', 'context: 8')
    .replace('#holdout:', 'holdout:')
    .replace(/#( +)level:/, '$1level: 3')
    .replace(/#( +)fraction:/, '$1fraction: 0.5');
  const expected: Record<string, unknown> = { model: 'hcnn' };
  for (const [field, value] of [
    ['task.context', 8],
    ['grammar.holdout', { level: 3, fraction: 0.5 }],
  ] as const)
    setField(expected, field, value);
  assert.equal(parseExperiment(parse(text)), parseExperiment(expected));
});

test.run();
