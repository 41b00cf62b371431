/**
 * How long the page's thread is busy without a break while networks train: printed, not asserted, since everything takes longer on a
 * busy machine. The CPU time of a task is its own; its wall time includes that of other programs. RHM_RESPONSIVE=FILE receives all of
 * it.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { firstSetting } from '../../src/web/setting.js';
import { linkTo, pageSuite, servePage, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('how long the page is busy');
const log = process.env.RHM_RESPONSIVE;
const seconds = log ? 8 : 3;

const base = { ...firstSetting, budget: { ...firstSetting.budget, steps: 4_000_000 } };
const settings = {
  'the first setting': base,
  'four seeds of a larger grammar': {
    ...base,
    grammar: { v: 16, n: 16, m: 4, s: 2, L: 4, seed: 1 },
    evaluation: { size: 256, perDoubling: 8 },
    replicas: 4,
  },
};

for (const executor of ['wasm', 'webgpu'])
  for (const [name, setting] of Object.entries(settings).slice(0, log ? undefined : 1))
    test(`${name} on ${executor}`, async () => {
      const { page, problems, context } = await visit(site.browser, site.server.url, { hash: linkTo(setting) });
      await page.selectOption('#executor', executor);
      await site.browser.startTracing(page, { categories: ['toplevel', 'devtools.timeline', 'v8.execute'] });
      await page.click('#learning .primary');
      await waitForStates(page, /^training/);
      await page.waitForTimeout(1000 * seconds);
      await page.locator('#representation').scrollIntoViewIfNeeded();
      await page.waitForTimeout(1000 * seconds);
      const trace = await site.browser.stopTracing();
      const turns = niceness();
      if (turns.length) assert.ok(Math.min(...turns) >= ownNiceness(), `a worker took precedence: nice ${turns}`);
      await page.click('#learning .primary');
      await waitForStates(page, /^paused/);
      const tasks = tasksOf(JSON.parse(trace.toString('utf8')).traceEvents);
      assert.ok(tasks.length > 100, `${tasks.length} tasks seen`);
      const by = (key: 'wallMs' | 'ownMs') => tasks.map((t) => t[key]).sort((a, b) => b - a);
      const show = (all: number[]) =>
        `${all.filter((x) => x > 50).length} of ${all.length} over 50 ms, longest ${all
          .slice(0, 4)
          .map((x) => x.toFixed(1))
          .join(', ')}, ` + `1 in 100 over ${all[Math.floor(all.length / 100)].toFixed(2)} ms`;
      report(
        `${name} on ${executor}, ${2 * seconds} s: processor time ${show(by('ownMs'))}; wall ${show(by('wallMs'))}`,
      );
      for (const task of [...tasks].sort((a, b) => b.ownMs - a.ownMs).slice(0, 8))
        report(`  ${task.ownMs.toFixed(1)} ms of ${task.wallMs.toFixed(1)}: ${task.parts.join(', ')}`);
      assert.equal(problems, []);
      await context.close();
    });

test('with threads the networks share the cores: together they use no more than there are', async () => {
  const server = await servePage({ isolated: true });
  const { page, problems, context } = await visit(site.browser, server.url, { hash: linkTo(base) });
  await page.selectOption('#executor', 'wasm');
  await page.click('#learning .primary');
  await waitForStates(page, /^training/);
  const cores = await page.evaluate(() => (crossOriginIsolated ? navigator.hardwareConcurrency : Number.NaN));
  const each = Math.max(1, Math.min(8, Math.floor(cores / 2)));
  const wanted = new RegExp(`WebAssembly SIMD, ${each} thread`);
  for (const facts of await page.locator('.network .facts').allTextContents()) assert.match(facts, wanted);
  assert.equal(problems, []);
  await context.close();
  await server.close();
});

test.run();

/** Niceness of the workers' threads in this test's browsers. Empty without /proc. Only root may lower it below its initial value. */
function niceness(): number[] {
  const all = existsSync('/proc/self/stat') ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : [];
  const parents = new Map(all.map((pid) => [pid, statOf(`/proc/${pid}/stat`)?.parent]));
  const mine = all.filter((pid) => {
    let at: string | undefined = pid;
    while (at !== undefined && at !== String(process.pid)) at = parents.get(at);
    return at !== undefined;
  });
  return mine.flatMap((pid) => {
    const threads = existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : [];
    const found = threads.map((thread) => statOf(`/proc/${pid}/task/${thread}/stat`));
    return found.flatMap((stat) => (stat?.name === 'DedicatedWorker' ? [stat.nice] : []));
  });
}

const ownNiceness = () => statOf('/proc/self/stat')!.nice;

function statOf(file: string): { name: string; parent: string; nice: number } | undefined {
  try {
    const [, name, rest] = /\((.*)\) (.*)/s.exec(readFileSync(file, 'utf8'))!;
    const fields = rest.split(' ');
    return { name, parent: fields[1], nice: Number(fields[16]) };
  } catch {
    return undefined; // it has ended meanwhile
  }
}

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  ts: number; // microseconds
  dur?: number;
  tdur?: number;
  args: { name?: string; data?: Record<string, unknown> };
}

interface Task {
  wallMs: number;
  ownMs: number; // CPU time of the thread
  parts: string[]; // its longest parts
}

function report(line: string): void {
  console.log(line);
  if (log) appendFileSync(log, `${line}\n`);
}

/** Tasks of the page's own thread. */
function tasksOf(events: TraceEvent[]): Task[] {
  const main = new Set(
    events.filter((e) => e.name === 'thread_name' && e.args.name === 'CrRendererMain').map((e) => `${e.pid},${e.tid}`),
  );
  const mine = events.filter((e) => main.has(`${e.pid},${e.tid}`) && e.ph === 'X').sort((a, b) => a.ts - b.ts);
  const tasks = mine.filter((e) => /RunTask$/.test(e.name));
  return tasks.map(({ pid, ts, dur = 0, tdur = 0 }) => {
    const inside =
      dur < 8000 ? [] : mine.filter((e) => e.pid === pid && e.ts > ts && e.ts < ts + dur && (e.dur ?? 0) > 2000);
    return {
      wallMs: dur / 1000,
      ownMs: tdur / 1000,
      parts: inside.map((e) => {
        const { functionName, url, lineNumber } = (e.args.data ?? {}) as Record<string, string>;
        const where = functionName || url ? ` ${functionName} ${String(url).split('/').at(-1)}:${lineNumber}` : '';
        return `${e.name}${where} ${((e.tdur ?? 0) / 1000).toFixed(1)}`;
      }),
    };
  });
}
