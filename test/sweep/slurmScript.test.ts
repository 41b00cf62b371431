/** Lines written by `rhm sweep slurm` that can be checked without Slurm. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deno, rhm } from '../support/run.js';

const test = suite('scripts for Slurm');
const scratch = mkdtempSync(join(tmpdir(), 'rhm-slurm-script-'));
test.after(() => rmSync(scratch, { recursive: true, force: true }));

test("percent signs of a path are none of Slurm's names: %j and %A stay what the folder is called", async () => {
  const spec = join(scratch, 'grid.yaml');
  writeFileSync(spec, 'base: {model: {kind: hcnn, width: 8}, grammar: {v: 6, L: 2}}\nseeds: 2\n');
  for (const name of ['run-%j', '%A', '100%', '%%x']) {
    const out = join(scratch, name);
    const { code, stdout, stderr } = await rhm(['sweep', 'slurm', spec, '--out', out, '--file', '-']);
    assert.is(code, 0, stderr);
    const [, log] = /^#SBATCH --output=(.*)$/m.exec(stdout)!;
    const read = log.replace(/%(.)/g, (_, c: string) => (c === '%' ? '%' : `<${c}>`)); // as Slurm does
    assert.is(read, `${out}/slurm/<A>_<a>.log`);
    assert.match(stdout, ` --out ${out} `);
  }
});

test('under Deno the tasks run by deno with its permissions; a script made by Node runs by Node', async () => {
  const spec = join(scratch, 'deno.yaml');
  writeFileSync(spec, 'base: {model: {kind: hcnn, width: 8}, grammar: {v: 6, L: 2}}\nseeds: 2\n');
  const args = ['sweep', 'slurm', spec, '--out', join(scratch, 'deno-out'), '--file', '-'];
  const byDeno = await deno(['run', '-A', resolve('dist/cli.js'), ...args]);
  assert.is(byDeno.code, 0, byDeno.stderr);
  assert.match(byDeno.stdout, /^exec \S*deno run -A \S*cli\.js sweep run /m);
  assert.match((await rhm(args)).stdout, /^exec \S*node \S*cli\.js sweep run /m);
});

test('a backslash in the folder and arrays over the usual limit are reported', async () => {
  const spec = join(scratch, 'large.yaml');
  writeFileSync(spec, 'base: {model: {kind: hcnn, width: 8}, grammar: {v: 6, L: 2}}\nseeds: 1500\n');
  const script = (...more: string[]) => rhm(['sweep', 'slurm', spec, '--file', '-', ...more]);
  const refused = await script('--out', join(scratch, 'a\\b'));
  assert.is(refused.code, 2);
  assert.match(refused.stderr, /--out .*: holds a backslash/);
  const usual = await script('--out', join(scratch, 'large'));
  assert.match(usual.stdout, /--array=0-999$/m);
  const large = await script('--out', join(scratch, 'large'), '--tasks', '1500');
  assert.is(large.code, 0, large.stderr);
  assert.match(large.stdout, /--array=0-1499$/m);
  assert.match(large.stderr, /1500 tasks: Slurm takes 1000 in an array unless the site has raised MaxArraySize/);
});

test.run();
