import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { type ExperimentInput, experimentJsonSchema, parseExperiment } from '../../src/core/experiment.js';
import { makeRules } from '../../src/core/rules.js';
import { evaluatedTask, exactLevel, type TaskKind, taskKinds, tasks, tasksWith } from '../../src/core/tasks.js';
import { createModel } from '../../src/models/index.js';
import { modelShape } from '../../src/models/types.js';
import { floorsOf } from '../../src/theory/floors.js';
import { lossPlateaus } from '../../src/theory/losses.js';

const test = suite('tasks');

test('the first target is an element of the data with which the network is compared', () => {
  for (const kind of taskKinds)
    for (const context of tasks[kind].wholeSentence ? [undefined] : [undefined, tasks[kind].leastTokens, 3]) {
      const shape = modelShape(parseExperiment({ grammar: { v: 5, n: 3, m: 2, L: 2 }, task: { kind, context } }));
      const { targets, targetOffset, masked, classes } = tasks[kind];
      const size = { roots: 1, tokens: shape.d, hidden: 3 }[targets];
      assert.ok(targetOffset(shape) >= 0 && targetOffset(shape) < size, `${kind}: ${targetOffset(shape)} of ${size}`);
      assert.ok(masked(shape.length) < shape.length);
      assert.is(classes({ v: 5, n: 3 }), shape.classes);
      assert.is(shape.symbols, tasks[kind].masks ? 6 : 5, 'the mask is a symbol of its own');
    }
});

test('the help text and the choices come from the table', () => {
  const { task } = (experimentJsonSchema() as { properties: Record<string, { properties: Record<string, object> }> })
    .properties;
  assert.equal(task.properties.kind, {
    default: 'last',
    description: 'predict the last token, the root symbol, every next token, the masked tokens, or every hidden symbol',
    type: 'string',
    enum: taskKinds,
  });
  assert.is(
    tasksWith((one) => one.targets === 'tokens'),
    "'last' or 'auto' or 'mask'",
  );
});

test('fields of masks belong to tasks that mask, and must mask something', () => {
  const refused = (task: object, says: RegExp) =>
    assert.throws(
      () => parseExperiment({ grammar: { v: 5, m: 2, L: 2 }, task } as ExperimentInput),
      (error: Error) => error instanceof InputError && says.test(error.message),
    );
  refused(
    { kind: 'last', fraction: 0.5 },
    /task.fraction: the task 'last' masks no tokens; pass task.kind 'mask', or leave/,
  );
  refused({ kind: 'auto', positions: [1] }, /task.positions: the task 'auto' masks no tokens/);
  refused({ kind: 'mask', positions: [] }, /task.positions: got no place, so that nothing would be predicted/);
  refused({ kind: 'mask', positions: [7] }, /task.positions: got 7; pass places from 0 to 3/);
  refused({ kind: 'mask', fraction: 0.1 }, /task.fraction: 0.1 of 4 tokens is none/);
  refused({ kind: 'mask', fraction: 0 }, /task.fraction: got 0; pass a number above 0, at most 1/);
  const { task } = parseExperiment({ grammar: { v: 5, m: 2, L: 2 }, task: { kind: 'mask', fraction: 1 } });
  assert.equal(task, { kind: 'mask', fraction: 1 });
  assert.equal(parseExperiment({ task: 'mask' }).task, { kind: 'mask' });
});

test('a task about whole sentences has no context, no shuffled positions and no rows', () => {
  const refused = (input: object, says: RegExp) =>
    assert.throws(
      () => parseExperiment({ grammar: { v: 5, m: 2, L: 2 }, ...input } as ExperimentInput),
      (error: Error) => error instanceof InputError && says.test(error.message),
    );
  refused(
    { task: { kind: 'parse', context: 2 } },
    /task.context: got 2 with task 'parse', which predicts every hidden symbol of a sentence from all its tokens; leave/,
  );
  refused({ task: 'parse', grammar: { v: 5, m: 2, L: 2, shuffle: 1 } }, /grammar.shuffle: got 1 with task 'parse'/);
  const rows = { rows: 4, digest: 'a'.repeat(16) };
  refused({ task: 'parse', data: { train: rows, test: rows } }, /data: got rows with task 'parse'/);
  const grammar = { v: 5, n: 7, m: 2, s: 3, L: 2 };
  const shape = modelShape(parseExperiment({ grammar, task: 'parse' }));
  assert.is(shape.classes, 7, 'roots may be more than the other symbols');
  assert.is(tasks.parse.rows!(shape), 4);
});

test('weights of the logic are for hidden symbols, at least 0, and at least one is given', () => {
  const refused = (input: object, says: RegExp) =>
    assert.throws(
      () => parseExperiment({ grammar: { v: 5, m: 2, L: 2 }, ...input } as ExperimentInput),
      (error: Error) => error instanceof InputError && says.test(error.message),
    );
  const parse = (logic: object) => ({ task: { kind: 'parse', logic } });
  refused(parse({ parent: -1 }), /task.logic.parent: got -1; pass a number from 0 to 1000000/);
  refused(parse({ tuple: Number.NaN }), /task.logic.tuple: got NaN; pass a number/);
  refused(parse({ parrent: 1 }), /task.logic.parrent: no such field; did you mean task.logic.parent\?/);
  refused(parse({ weight: 1 }), /task.logic.weight: no such field; there are parent, tuple, exclusive/);
  refused(parse({}), /task.logic: got no weight; pass parent, tuple or exclusive/);
  refused({ ...parse({ tuple: 1 }), grammar: { v: 5, m: 2, L: 1 } }, /task.logic.tuple: got with grammar.L = 1/);
  refused(
    { task: { kind: 'last', logic: { parent: 1 } } },
    /task.logic: the task 'last' predicts no hidden symbols; pass task.kind 'parse', or leave it out/,
  );
});

test('models that do not support a task, or not with these sizes, report it', () => {
  const refused = (input: object, says: RegExp) => {
    const experiment = parseExperiment({ grammar: { v: 5, m: 2, L: 2 }, task: 'parse', ...input } as ExperimentInput);
    assert.throws(
      () => createModel(experiment),
      (error: Error) => error instanceof InputError && says.test(error.message),
    );
  };
  refused({ model: 'clm' }, /task.kind: clm does not learn 'parse'; pass 'auto' or 'mask'/);
  refused({ model: { kind: 'hcnn', depth: 1 } }, /model.depth: 1 layers of filter 2; task 'parse' reads .* L = 2/);
  refused({ model: { kind: 'hlcn', filter: 4, depth: 1 } }, /model.filter: 1 layers of filter 4; task 'parse' reads/);
});

test('floors reach as far as the context contains whole blocks; a task without a staircase has none', () => {
  const rules = makeRules({ v: 4, n: 4, m: 2, s: 2, L: 3 }, 1);
  const { H } = lossPlateaus(rules);
  const floors = (kind: TaskKind, context?: number) => floorsOf({ kind, context }, rules);
  assert.equal(floors('last'), H);
  assert.equal(floors('last', 5), H.slice(0, 3));
  assert.equal(floors('last', 1), H.slice(0, 1));
  assert.is(floors('class'), undefined);
  assert.is(floors('auto'), undefined);
});

test('the exact loss is known with whole blocks as context, and of the last token alone', () => {
  const shape = { s: 2, L: 3 };
  const level = (kind: TaskKind, context?: number) => exactLevel({ kind, context }, shape);
  assert.equal(
    [undefined, 1, 2, 3, 4, 5, 7, 8].map((context) => level('last', context)),
    [3, 0, 1, undefined, 2, undefined, undefined, 3],
  );
  assert.equal([level('auto'), level('auto', 8), level('class')], [undefined, undefined, undefined]);
  const grammar = { v: 5, m: 2, L: 3 };
  const auto = { grammar, model: 'clm', task: { kind: 'auto', context: 4 } };
  const every = parseExperiment({ ...auto, evaluation: { positions: 'all' } });
  const last = parseExperiment({ ...auto, evaluation: { positions: 'last' } });
  assert.equal(evaluatedTask(every), { kind: 'auto', context: 4 });
  assert.equal(evaluatedTask(last), { kind: 'last', context: 4 });
  // Naming the default leaves the hash unchanged.
  assert.equal(every, parseExperiment(auto));
  assert.throws(
    () => parseExperiment({ grammar, evaluation: { positions: 'last' } }),
    /evaluation.positions: got 'last' with task 'last', which has one prediction per sentence; leave it out, or pass task 'auto'/,
  );
});

test.run();
