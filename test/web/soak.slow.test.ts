/**
 * Memory of a page that trains, for half a minute; RHM_SOAK=FILE (and npm test -- --timeout 5000) for an hour, with the measurements
 * written there.
 */
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('memory of a page that trains');
const log = process.env.RHM_SOAK;
const minutes = log ? 60 : 0.5;

test(`stays flat over ${minutes} minutes on both executors: GPU buffers and WASM memory to the byte, the heap but for a few records`, async () => {
  const trained = [await begin('webgpu'), await begin('wasm')];
  const total = minutes * 60_000;
  const begun = Date.now();
  const resident: { at: number; bytes: number }[] = [];
  const look = async () => {
    const minute = (Date.now() - begun) / 60_000;
    for (const run of trained) {
      const now = await memoryOf(run.page);
      run.seen.push(now);
      const step = await run.page.locator('#learning .facts').allTextContents();
      report(
        `minute ${minute.toFixed(1)}, ${run.executor}: heap ${mib(now.heap)} MiB, WASM ${mib(now.wasm)} MiB, ` +
          `GPU buffers ${mib(now.gpu)} MiB; ${step.map((s) => s.split(' of')[0]).join(', ')}`,
      );
    }
  };
  await look();
  for (const until of [0.25, 0.5, 0.75, 1]) {
    do {
      await trained[0].page.waitForTimeout(Math.min(5000, total / 30));
      resident.push({ at: until, bytes: residentBytes() });
    } while (Date.now() - begun < until * total);
    await look();
  }
  const least = (from: number, to: number) =>
    Math.min(...resident.filter((s) => s.at > from && s.at <= to).map((s) => s.bytes));
  const [early, late] = [least(0.25, 0.5), least(0.75, 1)];
  report(`resident, all processes: ${mib(early)} then ${mib(late)} MiB, ${resident.length} looks`);
  for (const { executor, seen, problems, context } of trained) {
    const [first, half, last] = [seen[0], seen[2], seen[4]];
    assert.ok(executor === 'webgpu' ? first.gpu > 0 : first.wasm > 0, `${executor}: its memory is counted`);
    assert.is(last.gpu, first.gpu, `${executor}: GPU buffers`);
    assert.is(last.wasm, first.wasm, `${executor}: WASM memory`);
    // Evaluations come at doublings of the step: the second half adds a few hundred bytes to the records.
    assert.ok(last.heap - half.heap < 2 ** 20, `${executor}: the heap grew by ${mib(last.heap - half.heap)} MiB`);
    assert.equal(problems, []);
    await context.close();
  }
  // The garbage collectors of three processes run at arbitrary times: a leak of a kilobyte per step would amount to hundreds of
  // MiB in an hour.
  assert.ok(late - early < 48 * 2 ** 20, `grew by ${mib(late - early)} MiB`);
});

test.run();

interface Memory {
  heap: number; // bytes, of the page and its workers, after a collection
  wasm: number; // of live WebAssembly memories
  gpu: number; // of live GPU buffers
}

function report(line: string): void {
  console.log(line);
  if (log) appendFileSync(log, `${line}\n`);
}

const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(2);

/** A page whose two networks train on one executor, with its cloud in view. */
async function begin(executor: 'webgpu' | 'wasm') {
  const context = await site.browser.newContext();
  await context.route('**/worker.js', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: `(${counting})();${await answer.text()}` });
  });
  // Steps long enough not to exhaust a page's budget within the hour, and rates too small to diverge.
  const [width, batch] = executor === 'wasm' ? [64, 128] : [16, 8];
  const setting = {
    ...quickSetting,
    grammar: { ...quickSetting.grammar, L: executor === 'wasm' ? 3 : 2 },
    networks: [
      { model: { kind: 'hcnn', width }, optimiser: { kind: 'sgd', rate: 0.1 } },
      { model: { kind: 'mla', channels: width, heads: 2 }, optimiser: { kind: 'adamw', rate: 1e-4 } },
    ],
    replicas: 1,
    budget: { batch, steps: 4_000_000 },
    evaluation: { size: 64, perDoubling: 1 },
  };
  const { page, problems } = await visit(site.browser, site.server.url, { context, hash: linkTo(setting) });
  await page.selectOption('#executor', executor);
  await page.click('#learning .primary');
  await waitForStates(page, /^training/);
  await page.locator('#representation').scrollIntoViewIfNeeded();
  await page
    .locator('#representation .hint', { hasText: /is within a colour/ })
    .nth(1)
    .waitFor({ timeout: 120_000 });
  return { executor, context, page, problems, seen: [] as Memory[] };
}

/** Runs in each worker before its script: counts live bytes where they are allocated. */
function counting(): void {
  const live = { gpu: 0, memories: [] as WeakRef<WebAssembly.Memory>[] };
  Object.assign(globalThis, { live });
  globalThis.WebAssembly.Memory = class extends WebAssembly.Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      super(descriptor);
      live.memories.push(new WeakRef(this));
    }
  };
  if (!('GPUDevice' in globalThis)) return;
  const make = GPUDevice.prototype.createBuffer;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = make.call(this, descriptor);
    live.gpu += descriptor.size;
    const destroy = buffer.destroy.bind(buffer);
    let gone = false;
    buffer.destroy = () => {
      if (!gone) live.gpu -= descriptor.size;
      gone = true;
      destroy();
    };
    return buffer;
  };
}

/** Paused meanwhile, so that no buffer of a passing read is counted. */
async function memoryOf(page: Page): Promise<Memory> {
  await page.click('#learning .primary');
  await waitForStates(page, /^paused/);
  await page.waitForTimeout(1000);
  const heap = await heapBytes(page);
  const each = await Promise.all(
    page.workers().map((worker) =>
      worker.evaluate(() => {
        const { live } = globalThis as unknown as { live?: { gpu: number; memories: WeakRef<WebAssembly.Memory>[] } };
        const wasm = live?.memories.reduce((sum, m) => sum + (m.deref()?.buffer.byteLength ?? 0), 0);
        return { gpu: live?.gpu ?? 0, wasm: wasm ?? 0 };
      }),
    ),
  );
  await page.click('#learning .primary');
  await waitForStates(page, /^training/);
  const sum = (name: 'gpu' | 'wasm') => each.reduce((all, one) => all + one[name], 0);
  return { heap, wasm: sum('wasm'), gpu: sum('gpu') };
}

/** Live data on the JavaScript heaps of the page and of its workers, including array buffers, after a collection. */
async function heapBytes(page: Page): Promise<number> {
  type Usage = { usedSize: number; embedderHeapUsedSize: number; backingStorageSize: number };
  const total = (u: Usage) => u.usedSize + u.embedderHeapUsedSize + u.backingStorageSize;
  const session = await page.context().newCDPSession(page);
  const answers = new Map<string, (result: unknown) => void>();
  const workers: string[] = [];
  session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
    if (targetInfo.type === 'worker') workers.push(sessionId);
  });
  session.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
    const { id, result } = JSON.parse(message) as { id?: number; result?: unknown };
    answers.get(`${sessionId},${id}`)?.(result);
  });
  let id = 0;
  const ask = async (sessionId: string, method: string): Promise<unknown> => {
    const message = { id: ++id, method };
    const answer = new Promise((resolve) => {
      answers.set(`${sessionId},${message.id}`, resolve);
    });
    await session.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify(message) });
    return answer;
  };
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  await session.send('HeapProfiler.collectGarbage');
  let bytes = total((await session.send('Runtime.getHeapUsage')) as Usage);
  assert.is(workers.length, 2, 'a worker for each network');
  for (const worker of workers) {
    await ask(worker, 'HeapProfiler.collectGarbage');
    bytes += total((await ask(worker, 'Runtime.getHeapUsage')) as Usage);
  }
  await session.detach();
  return bytes;
}

/** Resident memory of all processes below this one: the browser's, including its GPU process. Linux. */
function residentBytes(): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc'))
    if (/^\d+$/.test(name))
      try {
        parents.set(Number(name), Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1].split(' ')[1]));
      } catch {} // gone in between
  const isBelow = (pid: number): boolean => pid === process.pid || (parents.has(pid) && isBelow(parents.get(pid)!));
  let bytes = 0;
  for (const pid of parents.keys())
    if (pid !== process.pid && isBelow(pid))
      try {
        bytes += 4096 * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
      } catch {}
  return bytes;
}
