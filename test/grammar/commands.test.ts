import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { heldLanguage } from '../../src/core/holdout.js';
import { parseRules } from '../../src/core/parseRules.js';
import { heldLanguages, makeRules } from '../../src/core/rules.js';
import { shuffledOrder } from '../../src/core/shuffle.js';
import { derivationSource } from '../../src/grammar/dataset.js';
import { Parser } from '../../src/grammar/parser.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { ensemblePlateaus, examineInstance, lossPlateaus, meanSquareCovariances } from '../../src/theory/index.js';
import { batches } from '../../src/training/batches.js';
import { rhm, run } from '../support/run.js';
import { close } from '../theory/enumerate.js';

const test = suite('rhm rules, sample, theory, correlations');
let folder = '';
let rulesFile = '';
const shape = { v: 16, n: 16, m: 4, s: 2, L: 4 };
const grammar = makeRules(shape, 3);
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'rhm-commands-'));
  rulesFile = join(folder, 'rules.json');
  writeFileSync(rulesFile, JSON.stringify(grammar));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

const good = async (...args: string[]) => {
  const ran = await rhm(args);
  assert.is(ran.code, 0, ran.stderr);
  return ran.stdout;
};
const flags = '-v 16 -m 4 -s 2 -L 4'.split(' ');

test('rules: the same grammar as the library, also to a file, also weighted', async () => {
  assert.equal(parseRules(JSON.parse(await good('rules', ...flags, '--seed', '3'))), grammar);
  const out = join(folder, 'out.json');
  assert.is(await good('rules', ...flags, '--seed', '3', '--json', '-o', out), '');
  // The size of the language: 16 * 4^15 sentences.
  assert.equal(JSON.parse(readFileSync(out, 'utf8')), { sentences: String(2n ** 34n), ...grammar });
  const zipf = JSON.parse(
    await good('rules', '-v', '4', '-m', '2', '-L', '2', '-n', '3', '--zipf', '-,1', '--root-prior', '[0.5,0.25,0.25]'),
  );
  // p_k ~ k^-2 for k = 1, 2: 4/5 and 1/5.
  assert.equal(zipf.ruleProbabilities, [null, [0.8, 0.2]]);
  assert.equal(zipf.rootPrior, [0.5, 0.25, 0.25]);
});

test('sample --shuffle: every sentence in the order of grammar.shuffle', async () => {
  const draw = async (...more: string[]) =>
    (await good('sample', '--rules', rulesFile, '--count', '50', '--seed', '9', '--format', 'text', ...more))
      .trim()
      .split('\n')
      .map((line) => line.split(' ').map(Number));
  const [plain, shown] = [await draw(), await draw('--shuffle', '4')];
  const order = shuffledOrder(16, 4);
  assert.equal(
    shown,
    plain.map((row) => [...order].map((place) => row[place])),
  );
  const experiment = join(folder, 'shuffled.json');
  writeFileSync(experiment, JSON.stringify({ grammar: { ...shape, seed: 3, shuffle: 4 }, seed: 9 }));
  const batch = (await batches(JSON.parse(readFileSync(experiment, 'utf8')), { count: 3, batch: 3 }).next()).value!;
  const ofRun = (await good('sample', '--experiment', experiment, '--count', '3', '--format', 'text')).trim();
  assert.is(ofRun, [0, 1, 2].map((i) => batch.tokens.subarray(16 * i, 16 * i + 16).join(' ')).join('\n'));
  for (const [args, pattern] of [
    [['--rules', rulesFile, '--shuffle', '-1'], /shuffle/],
    [['--rules', rulesFile, '--shuffle', '1', '--tree'], /--tree: derivations are in the order of the tree/],
    [['--experiment', experiment, '--shuffle', '1'], /--shuffle: the experiment says it/],
  ] as const) {
    const { code, stderr } = await rhm(['sample', '--count', '2', ...args]);
    assert.is(code, 2);
    assert.match(stderr, pattern);
  }
});

test('sample --holdout: the languages of grammar.holdout, as an experiment draws them', async () => {
  const draw = async (...more: string[]) =>
    (
      await good('sample', '--rules', rulesFile, '--count', '4', '--rules-seed', '3', '--format', 'text', ...more)
    ).trim();
  const experiment = join(folder, 'heldOut.json');
  const holdout = { level: 2, fraction: 0.25 };
  writeFileSync(experiment, JSON.stringify({ grammar: { ...shape, seed: 3, holdout }, seed: 9 }));
  const ofRun = await good('sample', '--experiment', experiment, '--count', '4', '--format', 'text');
  assert.is(await draw('--holdout', '2:0.25', '--seed', '9'), ofRun.trim());
  const drawn = await Promise.all(
    heldLanguages.map((language) => draw('--holdout', '2:0.25:7', '--language', language, '--distinct')),
  );
  for (const [i, language] of heldLanguages.entries()) {
    const rules = heldLanguage(grammar, { ...holdout, seed: 7 }, language);
    const tokens = new Uint32Array(64);
    (await createSampler(rules)).tokens(derivationSource(rules, 0), 0, 4, tokens);
    assert.is(drawn[i], [0, 1, 2, 3].map((row) => tokens.subarray(16 * row, 16 * row + 16).join(' ')).join('\n'));
  }
  for (const [args, pattern] of [
    [['--holdout', '2:1'], /grammar\.holdout\.fraction: 1 of m = 4 rules leaves no sentence; pass at most 0\.75/],
    [['--holdout', '5:0.5'], /grammar\.holdout\.level: got 5/],
    [['--holdout', '0.5'], /--holdout: got "0\.5"; pass level:fraction/],
    [['--holdout', '2:0.5:-1'], /--holdout, seed/],
    [['--language', 'with'], /--language: of which held-out pairs/],
    [['--holdout', '2:0.5', '--language', 'some'], /without, with, context, last/],
  ] as const) {
    const { code, stderr } = await rhm(['sample', '--rules', rulesFile, '--count', '2', ...args]);
    assert.is(code, 2, stderr);
    assert.match(stderr, pattern);
  }
  const { code, stderr } = await rhm(['sample', '--experiment', experiment, '--holdout', '2:0.5']);
  assert.is(code, 2);
  assert.match(stderr, /--holdout: the experiment says it/);
});

test('holdout: sizes that add up, and both predictors on the sets', async () => {
  const got = JSON.parse(
    await good('holdout', '-v', '8', '-m', '3', '-L', '3', '--holdout', '3:0.34', '--sentences', '2048', '--json'),
  );
  assert.equal([got.held, got.places], [1, 2]);
  assert.equal(got.sentences, { whole: '17496', without: '7776', with: '9720', context: '3888', last: '5832' });
  const [without, context, last] = got.sets;
  assert.equal([without.set, context.set, last.set], ['without', 'context', 'last']);
  for (const { grammar } of got.sets) assert.is(grammar.possible, 1, 'nothing is impossible in the whole grammar');
  assert.equal([without.surface.possible, without.seen], [1, 7]);
  assert.ok(without.surface.loss < without.grammar.loss, 'the training language says more of its own sentences');
  for (const { surface, seen } of [context, last]) assert.ok(surface.possible < 0.9 && seen < 7);
  assert.ok(context.grammar.accuracy > context.surface.accuracy);
  assert.ok(without.grammar.grammatical[2] === 1 && context.surface.grammatical[2] < 1);
  const text = await good('holdout', '-v', '8', '-m', '3', '-L', '3', '--holdout', '3:0.34', '--sentences', '64');
  assert.match(text, /1 of the 3 rules of each child are held out below each rule of level 3, at 2 places/);
  for (const [args, pattern] of [
    [[], /--holdout: missing; pass level:fraction/],
    [['--holdout', '3:0.9'], /leaves no sentence/],
    [['--holdout', '3:0.34', '--sentences', '0'], /sentences/],
    [['--holdout', '3:0.34', '--zipf', '1'], /weighted/],
  ] as const) {
    const { code, stderr } = await rhm(['holdout', '-v', '8', '-m', '3', '-L', '3', ...args]);
    assert.is(code, 2, stderr);
    assert.match(stderr, pattern);
  }
});

test('tree: found again from tokens alone, with its certainty and the necessary P', async () => {
  const ofGrammar = JSON.parse(
    await good('tree', '--rules', rulesFile, '--shuffle', '4', '--sentences', '64,16384', '--json'),
  );
  assert.equal(ofGrammar.points[1].right, [true, true, true, true]);
  assert.ok(ofGrammar.points[1].sure.every((sure: number) => sure > 0.99));
  assert.ok(ofGrammar.points[0].sure[2] < 0.1 && ofGrammar.rightFrom[2] === 16384 && ofGrammar.law[2] < 16384);
  const tokens = join(folder, 'tokens.npy');
  await good('sample', '--rules', rulesFile, '--shuffle', '4', '--count', '16384', '--format', 'npy', '-o', tokens);
  const ofTokens = JSON.parse(await good('tree', '--tokens', tokens, '--json'));
  assert.equal([ofTokens.levels, ofTokens.order], [ofGrammar.levels, ofGrammar.order]);
  assert.is(ofTokens.order[15], 15);
  const text = await good('tree', '--rules', rulesFile, '--shuffle', '4');
  assert.match(text, /^P = \S+: level 1 right \(confidence [01]\.\d\d\), /m);
  assert.match(text, /level 3: right from P = \S+ on; law of token pairs \S+/);
  const refused = async (pattern: RegExp, ...args: string[]) => {
    const { code, stderr } = await rhm(['tree', ...args]);
    assert.is(code, 2);
    assert.match(stderr, pattern);
  };
  await refused(/tokens: 16 per sentence, which is not a power of s = 3/, '--tokens', tokens, '-s', '3');
  await refused(/--v: given together with --tokens/, '--tokens', tokens, '-v', '16');
  await refused(/sentences .*got 0/, '--rules', rulesFile, '--sentences', '0');
  await refused(/v: missing/);
});

test('sample: three formats contain the same sentences, from any start', async () => {
  const lines = (await good('sample', '--rules', rulesFile, '--count', '5000', '--seed', '9')).trim().split('\n');
  const rows = lines.map((line) => JSON.parse(line) as { index: number; tokens: number[] });
  assert.equal(
    rows.map((r) => r.index),
    Array.from({ length: 5000 }, (_, i) => i),
  );
  const parser = new Parser(grammar);
  for (const { tokens } of rows.slice(0, 200)) assert.is(parser.parse(tokens).fault, undefined);
  const text = await good(
    'sample',
    '--rules',
    rulesFile,
    '--count',
    '20',
    '--start',
    '4980',
    '--seed',
    '9',
    '--format',
    'text',
  );
  assert.equal(
    text
      .trim()
      .split('\n')
      .map((l) => l.split(' ').map(Number)),
    rows.slice(4980).map((r) => r.tokens),
  );
  const file = join(folder, 'x.npy');
  await good('sample', '--rules', rulesFile, '--count', '5000', '--seed', '9', '--format', 'npy', '--out', file);
  const bytes = readFileSync(file);
  assert.equal(
    [...bytes.subarray(128)],
    rows.flatMap((r) => r.tokens),
  );
  // What numpy 2.4.6 writes for an array of this shape and type.
  assert.is(
    bytes.subarray(0, 128).toString('latin1'),
    `\x93NUMPY\x01\x00v\x00${"{'descr': '|u1', 'fortran_order': False, 'shape': (5000, 16), }".padEnd(117)}\n`,
  );
  assert.equal(
    readdirSync(folder).filter((f) => f.includes('partial')),
    [],
  );
});

test('sample: numpy reads the npy, if it is installed', async () => {
  const file = join(folder, 'wide.npy');
  await good('sample', '-v', '300', '-m', '2', '-L', '2', '--count', '7', '--tree', '--format', 'npy', '-o', file);
  const want = (await good('sample', '-v', '300', '-m', '2', '-L', '2', '--count', '7', '--tree')).trim().split('\n');
  const rows = want.map((line) => (JSON.parse(line).symbols as number[][]).flat());
  const code = `import numpy, json, sys; a = numpy.load(sys.argv[1]); print(json.dumps([str(a.dtype), a.tolist()]))`;
  const ran = await run('python3', ['-c', code, file]).catch(() => undefined);
  if (ran?.code === 0) assert.equal(JSON.parse(ran.stdout), ['uint32', rows]);
  else assert.equal([...new Uint32Array(new Uint8Array(readFileSync(file).subarray(128)).buffer)], rows.flat());
});

test('sample: trees, and draws without replacement', async () => {
  const args = ['sample', '-v', '4', '-m', '2', '-L', '2', '--distinct', '--count', '32', '--tree', '--seed', '1'];
  const rows = (await good(...args))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.is(new Set(rows.map((r) => r.tokens.join())).size, 32);
  const parser = new Parser(makeRules({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 1));
  for (const { tokens, symbols, rules } of rows) {
    const parse = parser.parse(tokens);
    assert.equal(
      symbols,
      parse.symbols.map((x) => [...x]),
    );
    assert.equal(
      rules,
      parse.rules.map((x) => [...x]),
    );
  }
});

test('sample: a reader that disconnects ends it quietly', async () => {
  const ran = await run('sh', [
    '-c',
    `"$0" "$1" sample --rules "$2" --count 100000000 | head -n 2`,
    process.execPath,
    resolve('dist/cli.js'),
    rulesFile,
  ]);
  assert.is(ran.code, 0);
  assert.is(ran.stdout.trim().split('\n').length, 2);
  assert.not.match(ran.stderr, /rror/);
});

test('theory: the numbers of the library', async () => {
  const one = JSON.parse(await good('theory', '--rules', rulesFile, '--json'));
  const { H, H_unif } = lossPlateaus(grammar);
  assert.equal(one.H, H);
  assert.equal(one.H_unif, H_unif);
  assert.equal(one.H_unif_mean, ensemblePlateaus(shape));
  assert.equal(one.alpha, { transformer: 0.5, cnn: 1 });
  assert.is(one.P.transformer.length, 4);
  assert.is(one.P.classification, 4096);
  const tokens = one.covariance.filter((c: { level: number }) => c.level === 0);
  assert.equal(
    tokens.map((c: { meanSquare: number }) => c.meanSquare),
    meanSquareCovariances(grammar)[0].slice(1),
  );
  const many = JSON.parse(await good('theory', ...flags, '--instances', '8', '--seed', '3', '--json'));
  const each = Array.from({ length: 8 }, (_, i) => lossPlateaus(makeRules(shape, 3 + i)).H[2]);
  assert.ok(Math.abs(many.H[2] - each.reduce((a, b) => a + b) / 8) < 1e-12);
  assert.ok(many.H_error[2] > 0);
  assert.match(await good('theory', '-v', '4', '-m', '4', '-L', '2'), /alpha: transformer none/);
  const big = JSON.parse(await good('theory', '-v', '32', '-m', '8', '-L', '8', '--json'));
  assert.equal(big.H_error, new Array(9).fill(0)); // exact
  assert.ok(Math.abs(big.H_unif_mean[1] - 2.1266) < 0.03);
});

test('theory: many grammars on worker threads give what one thread gives', async () => {
  const large = { v: 32, n: 32, m: 8, s: 2, L: 7 };
  const many = JSON.parse(await good('theory', '-v', '32', '-m', '8', '-L', '7', '--instances', '16', '--json'));
  const each = Array.from({ length: 16 }, (_, seed) => examineInstance(large, seed));
  const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
  for (let ell = 0; ell <= 7; ell++) close(many.H[ell], mean(each.map((x) => x.H[ell])), 1e-12, `H(${ell})`);
  for (const c of many.covariance)
    close(c.meanSquare / mean(each.map((x) => x.meanSquares[c.level][c.ell])), 1, 1e-9, `${c.level} ${c.ell}`);
  const refused = await rhm(['theory', '--rules', rulesFile, '--instances', '2']);
  assert.is(refused.code, 2);
  assert.match(refused.stderr, /v: missing/);
});

test('correlations: measured next to exact values', async () => {
  const found = JSON.parse(await good('correlations', '--rules', rulesFile, '--count', '20000', '--json'));
  assert.equal([...new Set(found.covariance.map((c: { samples: number }) => c.samples))], [1024, 4096, 16384, 20000]);
  for (const c of found.covariance) assert.ok(Math.abs(c.signal - c.exact) <= 4.5 * c.signalError, JSON.stringify(c));
  assert.equal(
    found.ngram.map((x: { context: number }) => x.context),
    [0, 1, 3],
  );
  const hidden = JSON.parse(
    await good('correlations', '--rules', rulesFile, '--count', '4096', '--level', '2', '--json'),
  );
  assert.equal([...new Set(hidden.covariance.map((c: { ell: number }) => c.ell))], [3, 4]);
  for (const c of hidden.covariance) assert.ok(Math.abs(c.signal - c.exact) <= 4.5 * c.signalError, JSON.stringify(c));
});

const small = ['-v', '4', '-m', '2', '-L', '2'];
const refused: [string[], RegExp][] = [
  [['rules', '-v', '4', '-m', '5', '-L', '2'], /n\*m = 20.*v\^s = 16.*m <= 4/],
  [['rules', '-v', '4', '-m', '0', '-L', '2'], /^InputError: m .*from 1/],
  [['rules', '-v', '4', '-m', '2', '-L', '2', '-s', '1'], /^InputError: s .*from 2/],
  [['rules', '-v', '4', '-m', '2', '-L', '0'], /^InputError: L .*from 1/],
  [['rules', '-v', '4.5', '-m', '2', '-L', '2'], /^InputError: v .*4.5/],
  [['rules', '-v', 'NaN', '-m', '2', '-L', '2'], /^InputError: v .*NaN/],
  [['rules', '-m', '2', '-L', '2'], /^InputError: v: missing/],
  [['rules', ...small, '--seed', '-1'], /^InputError: seed .*-1/],
  [['rules', ...small, '--seed', '0.5'], /^InputError: seed .*0.5/],
  [['rules', ...small, '--rule-probabilities', '[0.5,0.6]'], /ruleProbabilities.*sum to 1/],
  [['rules', ...small, '--rule-probabilities', '[-0.5,1.5]'], /ruleProbabilities.*from 0 to 1.*-0.5/],
  [['rules', ...small, '--rule-probabilities', '[0.5'], /rule-probabilities: not JSON/],
  [['rules', ...small, '--zipf', 'x'], /zipf/],
  [['sample', ...small], /--count/],
  [['sample', ...small, '--count', '1.5'], /^InputError: count .*1.5/],
  [['sample', ...small, '--count', '-1'], /^InputError: count .*-1/],
  [['sample', ...small, '--count', '33', '--distinct'], /count: .*32 derivations, 33/],
  [['sample', ...small, '--count', '1', '--distinct', '--start', '32'], /32 derivations, 33/],
  [['sample', ...small, '--count', '1', '--distinct', '--zipf', '1'], /weighted.*with replacement.*probability/],
  [['sample', '-v', '32', '-m', '8', '-L', '8', '--count', '1', '--distinct'], /2\^64 or more.*with replacement/],
  [['sample', ...small, '--count', '1', '--start', '-1'], /^InputError: start/],
  [['sample', ...small, '--count', '1', '--format', 'csv'], /csv.*jsonl/],
  [['theory', ...small, '--instances', '0'], /^InputError: instances/],
  [['correlations', ...small, '--level', '2'], /^InputError: level .*from 0 to 1/],
];
test('bad input: one line that names field and bound, exit 2', async () => {
  for (const [args, message] of refused) {
    const ran = await rhm(args);
    assert.is(ran.code, 2, `${args.join(' ')}: ${ran.stderr}`);
    assert.match(ran.stderr, message, args.join(' '));
    assert.is(ran.stdout, '');
    assert.is(ran.stderr.trim().split('\n').length, 1, ran.stderr);
  }
});

test('bad rules files', async () => {
  const write = (name: string, change: (x: { rules: number[][][][]; v: number }) => void) => {
    const copy = JSON.parse(JSON.stringify(grammar));
    change(copy);
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify(copy));
    return path;
  };
  const repeated = write('repeated.json', (x) => {
    x.rules[2][5][1] = x.rules[2][0][0];
  });
  const truncated = write('truncated.json', (x) => x.rules[3].pop());
  writeFileSync(join(folder, 'half.json'), readFileSync(rulesFile, 'utf8').slice(0, 100));
  for (const [path, message, code] of [
    [repeated, /rules\[2\]\[5\]\[1\].*is already at rules\[2\]\[0\]\[0\]/, 2],
    [truncated, /rules\[3\]: expected 16 entries.*got 15/, 2],
    [join(folder, 'half.json'), /not JSON/, 2],
    [join(folder, 'none.json'), /FileError: cannot read .*none.json.*ENOENT/, 1],
    [folder, /FileError: cannot read .*EISDIR/, 1],
  ] as const) {
    const ran = await rhm(['sample', '--rules', path, '--count', '1']);
    assert.is(ran.code, code, ran.stderr);
    assert.match(ran.stderr, message);
  }
  const both = await rhm(['theory', '--rules', rulesFile, '-v', '16']);
  assert.is(both.code, 2);
  assert.match(both.stderr, /v: given together with a rules file/);
});

test('output that cannot be written: exit 1, nothing under the name, nothing left beside it', async () => {
  const missing = join(folder, 'no', 'such', 'folder.npy');
  const absent = await rhm(['sample', '--rules', rulesFile, '--count', '1', '-o', missing]);
  assert.is(absent.code, 1);
  assert.match(absent.stderr, /FileError: cannot write .*ENOENT/);
  // A limit on file size simulates a disk that fills up half way; an older file of that name must survive.
  const full = join(folder, 'full.npy');
  writeFileSync(full, 'older');
  const limited = await run('sh', [
    '-c',
    'ulimit -f 8; exec "$0" "$@"',
    process.execPath,
    resolve('dist/cli.js'),
    'sample',
    '--rules',
    rulesFile,
    '--count',
    '1000000',
    '--format',
    'npy',
    '-o',
    full,
  ]);
  assert.is(limited.code, 1, limited.stderr);
  assert.match(limited.stderr, /FileError: cannot write .*full.npy.*EFBIG/);
  assert.is(readFileSync(full, 'utf8'), 'older');
  assert.equal(
    readdirSync(folder).filter((f) => f.includes('partial')),
    [],
  );
  if (existsSync('/dev/full')) {
    const child = spawn(process.execPath, ['dist/cli.js', 'sample', '--rules', rulesFile, '--count', '100000'], {
      stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    });
    let stderr = '';
    child.stderr!.on('data', (x) => {
      stderr += x;
    });
    assert.is(await new Promise((done) => child.on('close', done)), 1);
    assert.match(stderr, /FileError: cannot write standard output: no space left/);
  }
});

test.run();
