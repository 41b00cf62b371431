/** Details of the command line: examples, completion, --quiet, --dry-run, and escape codes only on a terminal. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readExperiment } from '../../src/cli/commands/train.js';
import { completionScript, shells } from '../../src/cli/completion.js';
import { examples } from '../../src/cli/examples.js';
import { allCommands, buildProgram } from '../../src/cli/program.js';
import { parseConditions } from '../../src/cli/runs/filter.js';
import { contentHash } from '../../src/core/canonical.js';
import { nodePlatform } from '../../src/platform/node.js';
import { documents } from '../support/documents.js';
import { rhm, run } from '../support/run.js';

const test = suite('help, completion and other manners');
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-help-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const visible = () =>
  allCommands(buildProgram(nodePlatform)).filter(({ name, command }) => name === '' || !isHidden(command));
const isHidden = (command: Command) => !command.parent!.createHelp().visibleCommands(command.parent!).includes(command);

/** Words of a shell's line up to its end, a pipe or a redirection. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (const [, quoted, double, bare] of line.matchAll(/'([^']*)'|"([^"]*)"|((?:[^\s'"])+)/g)) {
    if (bare !== undefined && /^[|>]$/.test(bare)) break;
    words.push(quoted ?? double ?? bare);
  }
  return words;
}

/** The command that a shell line results in, with its arguments and options; nothing is run. */
async function parsed(line: string): Promise<{ name: string; args: string[]; options: Record<string, unknown> }> {
  // In a pipe, the last part that is a command of this program.
  const part = line.split(' | ').findLast((text) => text.startsWith('rhm '));
  const text = (part ?? line).replace(/^source <\((.*)\)$/, '$1');
  const [program, ...words] = wordsOf(text);
  assert.is(program, 'rhm', line);
  let found: { name: string; args: string[]; options: Record<string, unknown> } | undefined;
  const whole = buildProgram(nodePlatform);
  for (const { command, name } of allCommands(whole))
    if (!command.commands.length)
      command.action(() => {
        found = { name, args: command.args, options: command.opts() };
      });
  await whole.parseAsync(words, { from: 'user' });
  assert.ok(found, line);
  return found!;
}

test('every command has examples at the end of its help, and every example is a command line of it', async () => {
  const names = visible().map(({ name }) => name);
  assert.ok(names.length > 30);
  assert.equal([...names].sort(), Object.keys(examples).sort());
  for (const [name, list] of Object.entries(examples)) {
    assert.ok(list.length > 0, name);
    for (const [line, what] of list) {
      const { name: reached, args, options } = await parsed(line);
      assert.ok(name === '' || reached === name || reached.startsWith(`${name} `), `${line} is of ${reached}`);
      assert.ok(what.length > 3);
      if (typeof options.where === 'object') (options.where as string[]).flatMap(parseConditions);
      // Fields are those of an experiment.
      const { set } = options as { set?: string[] };
      if (set && args.length === 0) readExperiment(undefined, set);
    }
  }
  for (const name of ['', 'train', 'sweep run', 'bench sampler']) {
    const { stdout, code } = await rhm([...name.split(' ').filter(Boolean), '--help']);
    assert.is(code, 0);
    const at = stdout.indexOf('\nExamples:\n');
    assert.ok(at > stdout.indexOf('Options:'), name);
    for (const [line] of examples[name]) assert.ok(stdout.indexOf(`  ${line}\n`) > at, line);
  }
});

test('--models is explained by --set only where there is a --set', () => {
  for (const { command, name } of allCommands(buildProgram(nodePlatform))) {
    const models = command.options.find(({ long }) => long === '--models');
    if (!models) continue;
    const hasSet = command.options.some(({ long }) => long === '--set');
    assert.is(models.description.includes('--set'), hasSet, name);
  }
});

test('every command line of the documents is one, and sets fields that there are', async () => {
  let lines = 0;
  for (const document of documents())
    for (const [, text] of readFileSync(document, 'utf8').matchAll(/^ {4}(rhm .*)$/gm)) {
      const line = text.replace(/ {2,}[#<].*$|\s+#.*$/, '').replace(/ -$/, '');
      if (/[A-Z]{4}\b(?!=)/.test(line) || line.includes('...')) continue; // a placeholder for the reader's own file
      const { args, options } = await parsed(line);
      lines++;
      const { set } = options as { set?: string[] };
      if (set && args.length === 0 && !set.some((field) => field.startsWith('data.'))) readExperiment(undefined, set);
    }
  assert.ok(lines > 20, `${lines} lines`);
});

test('completion in bash: commands, options, their values, fields; files elsewhere', () => {
  const script = join(scratch, 'rhm.bash');
  const program = buildProgram(nodePlatform);
  writeFileSync(script, completionScript('bash', program, { '--set': ['grammar.m=', 'grammar.v=', 'model.width='] }));
  const complete = (...words: string[]) =>
    execFileSync(
      'bash',
      [
        '-c',
        `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rhm; printf "%s\\n" "\${COMPREPLY[@]}"`,
        script,
        'rhm',
        ...words,
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    )
      .split('\n')
      .filter(Boolean);
  assert.equal(complete('tra'), ['train']);
  assert.equal(complete('sweep', ''), ['plan', 'run', 'status', 'predict', 'export', 'submit', 'work', 'slurm']);
  assert.equal(complete('sweep', 'run', '--is'), ['--isolate']);
  assert.equal(complete('sweep', 'run', '--isolate', ''), ['process', 'thread', 'none']);
  assert.equal(complete('sweep', 'run', '--isolate', 'none', ''), [], 'a grid file');
  assert.equal(complete('train', '--set', 'model=hcnn', 'grammar.'), ['grammar.m=', 'grammar.v=']);
  assert.equal(complete('train', '--set', 'model=hcnn', '--out', ''), [], 'a folder');
  assert.equal(complete('completion', ''), ['bash', 'zsh', 'fish']);
  assert.ok(complete('runs', '--').includes('--where'));
  assert.not.ok(complete('runs', '--').includes('--isolate'));
});

test('completion: every visible command and option stands in the script of every shell', async () => {
  const program = buildProgram(nodePlatform);
  for (const shell of shells) {
    const { stdout, code } = await rhm(['completion', shell]);
    assert.is(code, 0);
    for (const { command, name } of visible()) {
      if (name)
        assert.ok(
          stdout.includes(`'${name.includes(' ') || shell === 'fish' ? name : ` ${name}`}'`),
          `${shell}: ${name}`,
        );
      for (const { long } of command.options.filter((option) => !option.hidden))
        if (long)
          assert.ok(stdout.includes(shell === 'fish' ? `-l ${long.slice(2)}` : long), `${shell}: ${name} ${long}`);
    }
    assert.ok(stdout.includes('optimiser.weightDecay='), 'fields of --set');
    assert.not.match(stdout, /sweep child|\bundefined\b/);
    assert.ok(completionScript(shell, program, {}).startsWith('# Completion of rhm'));
  }
  const { code, stderr } = await rhm(['completion', 'tcsh']);
  assert.is(code, 2);
  assert.match(stderr, /Allowed choices are bash, zsh, fish/);
});

const small =
  'model=hcnn model.width=8 grammar.v=6 grammar.m=2 grammar.L=2 budget.batch=8 budget.steps=60 evaluation.size=32'.split(
    ' ',
  );
const wasm = ['--executor', 'wasm', '--threads', '1'];

test('--quiet: nothing but errors on standard error', async () => {
  const { code, stdout, stderr } = await rhm([
    'train',
    '--set',
    ...small,
    '--out',
    join(scratch, 'quiet'),
    ...wasm,
    '--quiet',
  ]);
  assert.equal([code, stderr], [0, '']);
  assert.match(stdout, /^done at step 60/);
  const loud = await rhm(['train', '--set', ...small, '--out', join(scratch, 'loud'), ...wasm]);
  assert.match(loud.stderr, /^experiment [0-9a-f]{16}: hcnn .*model\.width=\d+.*\n(?! *")/);
  const whole = await rhm(['train', '--set', ...small, '--out', join(scratch, 'whole'), ...wasm, '--verbose']);
  assert.match(whole.stderr, /^experiment [0-9a-f]{16}\n\{\n {2}"grammar": \{\n/);
  const wrong = await rhm(['train', '--set', 'model.width=0', '--quiet']);
  assert.match(
    (await rhm(['runs', '--limit', 'x'])).stderr,
    /Pass a whole number of at least 0; see rhm runs --help\n$/,
  );
  // Each refusal names the help of the command that refused.
  for (const [args, says] of [
    [['nonsense'], /unknown command 'nonsense'; see rhm --help\n$/],
    [['sweep', 'nonsense'], /unknown command 'nonsense'; see rhm sweep --help\n$/],
    [['sweep', 'plan'], /missing required argument 'spec'; see rhm sweep plan --help\n$/],
  ] satisfies [string[], RegExp][])
    assert.match((await rhm(args)).stderr, says);
  assert.is(wrong.code, 2);
  assert.match(wrong.stderr, /^InputError: model\.width: got 0/);
});

test('fields: filtered by words, with the nearest name', async () => {
  const some = await rhm(['fields', 'budget.pat', 'seed', '--json']);
  assert.equal(
    JSON.parse(some.stdout).map(({ field }: { field: string }) => field),
    ['grammar.seed', 'grammar.holdout.seed', 'budget.patience', 'seed'],
  );
  const { stdout } = await rhm(['fields', 'model.heads']);
  assert.match(
    stdout,
    /^model\.heads {2}H, .*\n {13}a whole number from 1 to 256; default 16\n {13}for mla\nmodel\.heads {2}H/,
  );
  for (const [args, says] of [
    [['bugdet'], /bugdet: no field has this word; did you mean budget\?/],
    [['widht'], /did you mean model\.width\?/],
    [['zzz'], /zzz: no field has this word; sections are grammar, task, /],
    [['--yaml', '--model', 'hcn'], /--model: got hcn; did you mean hcnn\?/],
    [['model', '--yaml'], /model: got with --yaml/],
  ] as const) {
    const refused = await rhm(['fields', ...args]);
    assert.is(refused.code, 2);
    assert.match(refused.stderr, says);
  }
});

test('train --dry-run: describes the work, refuses what could not be trained, writes nothing', async () => {
  const out = join(scratch, 'dry');
  const { code, stdout } = await rhm(['train', '--set', ...small, '--out', out, '--dry-run', '--json']);
  assert.is(code, 0);
  const plan = JSON.parse(stdout);
  const experiment = readExperiment(undefined, small);
  assert.equal(plan.experiment, JSON.parse(JSON.stringify(experiment)));
  assert.equal([plan.hash, plan.out, plan.exists], [await contentHash(experiment), out, false]);
  assert.equal([plan.steps, plan.samples, plan.parameters, plan.H.length], [60, 480, 6 * 2 * 8 + 8 * 2 * 8 + 8 * 6, 3]);
  assert.ok(
    plan.flops > 60 * 2 * 3 * 8 * 8 * 6 &&
      plan.memoryBytes > 4 * plan.parameters &&
      plan.storeBytes > 4 * plan.parameters,
  );
  assert.not(existsSync(out));
  assert.match(
    (await rhm(['train', '--set', ...small, '--out', out, '--dry-run'])).stdout,
    /60 at most, 480 training sentences, \d+ evaluations/,
  );
  for (const [field, pattern] of [
    ['budget.sentences=9999999', /exceed the grammar's \d+ derivations/],
    ['measures=["x"]', /measures: got "x"/],
    ['model.depth=5', /depth/],
  ] satisfies [string, RegExp][]) {
    const ran = await rhm(['train', '--set', ...small, field, '--dry-run', '--out', out]);
    assert.is(ran.code, 2, ran.stdout);
    assert.match(ran.stderr, pattern);
  }
});

test('YAML, comments and standard input wherever a value is taken', async () => {
  const file = (name: string, text: string) => {
    writeFileSync(join(scratch, name), text);
    return join(scratch, name);
  };
  const hash = async (...args: string[]) => {
    const ran = await rhm(['train', ...args, '--dry-run', '--json']);
    assert.is(ran.code, 0, ran.stderr);
    return JSON.parse(ran.stdout).hash;
  };
  const wanted = await hash(file('plain.json', '{"model": "hcnn", "grammar": {"v": 8}}'));
  const yaml = '# a comment\nmodel: hcnn # another\ngrammar: {v: 8}\n';
  const json = '{ // a comment\n  "model": "hcnn", /* another:\n "v": 9 */ "grammar": {"v": 8}\n}\n';
  assert.is(await hash(file('a.yaml', yaml)), wanted);
  assert.is(await hash(file('b.json', json)), wanted);
  assert.is(await hash(file('no-ending', json)), wanted);
  const slashes = await hash(
    file('c.json', '{"$schema": "https://example.org/x", "model": "hcnn", "grammar": {"v": 8}}'),
  );
  assert.is(slashes, wanted, 'two slashes in a text are no comment');
  for (const text of [yaml, json]) {
    const piped = await run('bash', [
      '-c',
      `node ${resolve('dist/cli.js')} train - --dry-run --json <<'END'\n${text}\nEND`,
    ]);
    assert.is(JSON.parse(piped.stdout).hash, wanted, piped.stderr);
  }
  const rules = file(
    'rules.yaml',
    (await rhm(['rules', '-v', '4', '-m', '2', '-L', '2'])).stdout.replace('{', '{ # rules\n'),
  );
  assert.is((await rhm(['theory', '--rules', rules])).code, 0);
  for (const [name, text, pattern] of [
    ['d.json', '{"model": "hcnn" // x\n "seed": 1}', /d\.json: not JSON/],
    ['e.json', '{"seed": 1, "seed": 2}', /"seed" occurs twice/],
    ['f.yaml', 'seed: 1\nseed: 2\n', /f\.yaml: Map keys must be unique/],
    [
      'i.yaml',
      'seed: 1\na: b: c\n',
      /i\.yaml: Nested mappings are .* at line 2, column \d+; pass a YAML or JSON file\n$/,
    ],
    ['g.yaml', 'a: &x [*x]\n', /g\.yaml: (refers to itself|Unresolved alias)/],
    ['h.yaml', 'just words\n', /h\.yaml: holds no object/],
    ['words', 'just words\n', /words: not JSON/],
  ] satisfies [string, string, RegExp][]) {
    const { code, stderr } = await rhm(['train', file(name, text), '--dry-run']);
    assert.is(code, 2, stderr);
    assert.match(stderr, pattern);
  }
});

test('escape codes only on a terminal, and never with NO_COLOR', async () => {
  const train = (out: string) =>
    ['train', '--set', ...small, 'budget.steps=30000', '--out', join(scratch, out), ...wasm]
      .map((word) => `'${word}'`)
      .join(' ');
  const onTerminal = async (out: string, env: NodeJS.ProcessEnv) => {
    const log = join(scratch, `${out}.log`);
    const command = `${process.execPath} ${resolve('dist/cli.js')} ${train(out)}`;
    const ran = await run('script', ['-qec', command, log], { env: { TERM: 'xterm', NO_COLOR: undefined, ...env } });
    assert.is(ran.code, 0, ran.stdout);
    return readFileSync(log, 'utf8');
  };
  const code = '\x1b';
  assert.ok((await onTerminal('terminal', {})).includes(`${code}[K`), 'a line that is drawn anew');
  for (const [out, env] of [
    ['plain', { NO_COLOR: '1' }],
    ['dumb', { TERM: 'dumb' }],
  ] as const) {
    const log = await onTerminal(out, env);
    assert.match(log, /step \d+\/30000/);
    assert.not.ok(log.includes(code), out);
  }
  const { stdout, stderr } = await rhm(['train', '--set', ...small, '--out', join(scratch, 'pipe'), ...wasm]);
  assert.not.ok(`${stdout}${stderr}`.includes(code));
});

test.run();
