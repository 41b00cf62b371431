import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { unroll } from '../../src/gpu/unroll.js';

const test = suite('unroll');

test('loops, pairs of loops, letters and conditions', () => {
  const source = [
    'a;',
    '#for h < 2, e < N',
    '  c{h}_{e} = x{h}.{e:xyzw} + y{e+1};',
    '#end',
    '#if N',
    '#for k < 2',
    '#if NONE',
    '  never{k};',
    '#end',
    '  k{k};',
    '#end',
    '#end',
  ].join('\n');
  assert.equal(unroll(source, { N: 3, NONE: 0 }).split('\n'), [
    'a;',
    ...[
      '0_0 = x0.x + y1',
      '0_1 = x0.y + y2',
      '0_2 = x0.z + y3',
      '1_0 = x1.x + y1',
      '1_1 = x1.y + y2',
      '1_2 = x1.z + y3',
    ].map((c) => `  c${c};`),
    '  k0;',
    '  k1;',
  ]);
});

test('text without marks is unchanged', () => {
  assert.is(unroll('fn main() {\n  { a{b} }\n}\n', {}), 'fn main() {\n  { a{b} }\n}\n');
});

test('faults are named', () => {
  assert.throws(
    () => unroll('let row0 = 1;\n#for i < 2\nlet row{i} = row0;\n#end', {}),
    /row0 is used beside row\{\.\.\.\}/,
  );
  assert.throws(() => unroll('#for i < N\nx\n#end', {}), /no constant N/);
  assert.throws(() => unroll('#for i < 2\nx', {}), /line 1 has no #end/);
  assert.throws(() => unroll('x\n#end', {}), /#end without #for at line 2/);
  assert.throws(() => unroll('#while x\n#end', {}), /#while at line 1/);
  assert.throws(() => unroll('#for i\n#end', {}), /write #for i < COUNT/);
});

test.run();
