/** Lines that `rhm sweep slurm` writes, where no Slurm is needed to see them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rhm } from '../support/run.js';

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

test.run();
