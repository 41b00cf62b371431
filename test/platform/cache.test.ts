import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mountedNoexec } from '../../src/platform/cache.js';
import { lastJson, run } from '../support/run.js';

const test = suite('the cache folder');

const mounts = [
  'overlay / overlay rw,relatime 0 0',
  'tmpfs /tmp tmpfs rw,noexec,nosuid 0 0',
  'tmpfs /tmp/inner tmpfs rw 0 0',
  'disk /home/a\\040b ext4 rw,noexec 0 0',
  'one /mnt ext4 rw,noexec 0 0',
  'two /mnt ext4 rw 0 0',
  '',
].join('\n');

for (const [folder, want] of [
  ['/', false],
  ['/tmp', true],
  ['/tmp/x/y', true],
  ['/tmpx', false],
  ['/tmp/inner/x', false],
  ['/home/a b/.cache', true],
  ['/mnt/x', false], // the later mount covers the earlier one
] as const)
  test(`${folder} ${want ? 'lies' : 'does not lie'} on a mount with noexec`, () => {
    assert.is(mountedNoexec(folder, mounts), want);
  });

test('a user without an entry in the password file and without HOME trains', async () => {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/setpriv')) return; // only root can become such a user
  const folder = mkdtempSync(join(os.tmpdir(), 'rhm-nobody-'));
  try {
    await run('chown', ['54321', folder]);
    const args = [
      '--set',
      'model=hcnn',
      'model.width=4',
      'grammar.v=4',
      'grammar.m=2',
      'grammar.L=2',
      'budget.steps=4',
    ];
    const out = ['--out', join(folder, 'out'), '--json'];
    const command = [
      '--reuid',
      '54321',
      '--clear-groups',
      '--',
      process.execPath,
      'dist/cli.js',
      'train',
      ...args,
      ...out,
    ];
    const { code, stdout, stderr } = await run('env', [
      '-u',
      'HOME',
      '-u',
      'XDG_CACHE_HOME',
      '-u',
      'RHM_CACHE',
      `TMPDIR=${folder}`,
      'setpriv',
      ...command,
    ]);
    assert.is(code, 0, stderr);
    assert.is(lastJson({ stdout }).reason, 'done');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
