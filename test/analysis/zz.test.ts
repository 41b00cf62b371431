import { suite } from 'uvu';
import { clusterCurves } from '../../src/analysis/cluster.js';
import { makeRules } from '../../src/core/rules.js';

const test = suite('sim');
test('x', async () => {
  for (const m of [2, 3, 4])
    for (const seed of [1, 2, 3]) {
      const t0 = Date.now();
      const c = await clusterCurves(makeRules({ v: 16, n: 16, m, s: 2, L: 4 }, seed), {
        draws: 1,
        sentences: [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768],
      });
      for (const x of c)
        console.log(
          m,
          seed,
          x.level,
          x.form,
          x.classes,
          x.ceiling.toFixed(2),
          x.half.bound,
          x.half.value.toFixed(0),
          [x.half.low.toFixed(0), x.half.high.toFixed(0)].join('-'),
          x.points.map((p) => p.index.toFixed(2)).join(' '),
        );
      console.log(Date.now() - t0, 'ms');
    }
  throw new Error('see');
});
test.run();
