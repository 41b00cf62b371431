/**
 * A real Slurm with one node on loopback, from Debian's packages, for any user: controller and node daemon with a separate
 * configuration, no munge, no cgroups. If it is not available, the test fails.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { debianPackages, librariesOf } from './debian.js';
import { freePort } from './redis.js';
import { type Ran, run } from './run.js';

export interface Slurm {
  /** Runs one of Slurm's commands, `sbatch`, `squeue`. */
  command(name: string, args: readonly string[]): Promise<Ran>;
  stop(): Promise<void>;
}

export async function startSlurm(): Promise<Slurm> {
  const root = debianPackages(
    'slurm-debian',
    ['slurmctld', 'slurmd', 'slurm-client', 'slurm-wlm-basic-plugins', 'libmunge2', 'libhwloc15', 'liblua5.1-0'],
    ['usr/sbin/slurmctld-wlm', 'usr/sbin/slurmd-wlm', 'usr/sbin/slurmstepd-wlm', 'usr/bin/sbatch'],
    'no Slurm: apt-get cannot download slurmctld, slurmd and slurm-client',
  );
  const libraries = librariesOf(root);
  const plugins = libraries.split(':').map((folder) => join(folder, 'slurm-wlm'));
  const directory = mkdtempSync(join(tmpdir(), 'rhm-slurm-'));
  for (const name of ['state', 'spool']) mkdirSync(join(directory, name));
  const host = hostname().split('.')[0];
  const user = userInfo().username;
  const configuration = {
    ClusterName: 'test',
    SlurmctldHost: `${host}(127.0.0.1)`,
    SlurmctldPort: await freePort(),
    SlurmdPort: await freePort(),
    AuthType: 'auth/none',
    CredType: 'cred/none',
    PluginDir: plugins.join(':'),
    SlurmUser: user,
    SlurmdUser: user,
    StateSaveLocation: join(directory, 'state'),
    SlurmdSpoolDir: join(directory, 'spool'),
    SlurmctldPidFile: join(directory, 'controller.pid'),
    SlurmdPidFile: join(directory, 'node.pid'),
    ProctrackType: 'proctrack/pgid',
    TaskPlugin: 'task/none',
    SwitchType: 'switch/none',
    MpiDefault: 'none',
    SelectType: 'select/linear',
    SchedulerType: 'sched/builtin',
    ReturnToService: 2,
    JobAcctGatherType: 'jobacct_gather/none',
    AccountingStorageType: 'accounting_storage/none',
  };
  const file = join(directory, 'slurm.conf');
  const lines = Object.entries(configuration).map(([key, value]) => `${key}=${value}`);
  lines.push(`NodeName=${host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN`);
  lines.push('PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:2');
  writeFileSync(file, `${lines.join('\n')}\n`);
  const env = { LD_LIBRARY_PATH: [libraries, ...plugins].join(':'), SLURM_CONF: file };
  let output = '';
  const daemons: ChildProcess[] = [];
  const start = (name: string, ...args: string[]) => {
    const child = spawn(join(root, 'usr/sbin', name), ['-D', '-f', file, ...args], {
      env: { ...process.env, RHM_TEST_RESULT: undefined, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    daemons.push(child);
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
  };
  const slurm: Slurm = {
    command: (name, args) => run(join(root, 'usr/bin', name), args, { env, cwd: directory, timeoutSeconds: 60 }),
    async stop() {
      await slurm.command('scancel', ['--user', user]).catch(() => {});
      for (const daemon of daemons.reverse())
        await new Promise<void>((done) => {
          if (daemon.exitCode !== null || daemon.signalCode !== null) return done();
          daemon.on('exit', () => done());
          daemon.kill('SIGTERM');
          setTimeout(() => daemon.kill('SIGKILL'), 5000).unref();
        });
      rmSync(directory, { recursive: true, force: true });
    },
  };
  start('slurmctld-wlm');
  start('slurmd-wlm', '-d', join(root, 'usr/sbin/slurmstepd-wlm'));
  for (let tries = 0; ; tries++) {
    const { stdout } = await slurm.command('sinfo', ['--noheader', '--format=%t']);
    if (stdout.trim() === 'idle') return slurm;
    if (tries > 60 || daemons.some((d) => d.exitCode !== null)) {
      await slurm.stop();
      throw new Error(`Slurm did not start: ${output.slice(-3000)}`);
    }
    await new Promise((done) => setTimeout(done, 500));
  }
}
