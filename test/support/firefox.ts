/** A headless Firefox, driven over WebDriver BiDi. RHM_FIREFOX: its path. Before Node 22: NODE_OPTIONS=--experimental-websocket. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Firefox {
  goto(url: string): Promise<void>;
  /** Value of an expression in the page, promises awaited, as JSON. @throws Error with the page's message */
  evaluate<T>(expression: string): Promise<T>;
  /** Waits until an expression is true. @throws Error after `ms` */
  until(expression: string, ms?: number): Promise<void>;
  /** Warnings and errors of the console. */
  problems: string[];
  close(): Promise<void>;
}

export async function launchFirefox(path: string): Promise<Firefox> {
  const profile = mkdtempSync(join(tmpdir(), 'rhm-firefox-'));
  const flags = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'];
  const child = spawn(path, flags, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: profile } });
  const socket = new WebSocket(`${await addressOf(child)}/session`);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error('Firefox does not take a WebDriver BiDi session'));
  });
  const pending = new Map<number, (answer: Answer) => void>();
  const problems: string[] = [];
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data)) as Answer;
    if (message.id !== undefined) pending.get(message.id)?.(message);
    else if (message.method === 'log.entryAdded' && /warn|error/.test(message.params.level))
      problems.push(message.params.text);
  };
  let id = 0;
  // biome-ignore lint/suspicious/noExplicitAny: answers differ by method
  const send = (method: string, params: object): Promise<any> =>
    new Promise((resolve, reject) => {
      pending.set(++id, ({ type, result, message }) =>
        type === 'error' ? reject(new Error(`${method}: ${message}`)) : resolve(result),
      );
      socket.send(JSON.stringify({ id, method, params }));
    });
  await send('session.new', { capabilities: {} });
  await send('session.subscribe', { events: ['log.entryAdded'] });
  const { context } = await send('browsingContext.create', { type: 'tab' });
  const evaluate = async <T>(expression: string): Promise<T> => {
    const whole = `(async () => JSON.stringify({ value: await (${expression}) }))()`;
    const answer = await send('script.evaluate', { expression: whole, target: { context }, awaitPromise: true });
    if (answer.exceptionDetails) throw new Error(answer.exceptionDetails.text);
    return JSON.parse(answer.result.value).value;
  };
  return {
    goto: (url) => send('browsingContext.navigate', { context, url, wait: 'complete' }),
    evaluate,
    async until(expression, ms = 60_000) {
      for (const end = Date.now() + ms; !(await evaluate(expression)); ) {
        if (Date.now() > end) throw new Error(`not within ${ms} ms: ${expression}`);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    },
    problems,
    async close() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      await send('browser.close', {}).catch(() => {});
      const late = setTimeout(() => child.kill('SIGKILL'), 5000);
      await gone;
      clearTimeout(late);
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Answer {
  id?: number;
  type: string;
  method?: string;
  message?: string;
  result?: unknown;
  params: { level: string; text: string };
}

function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`Firefox ended with ${code}: ${said.slice(-500)}`)));
  });
}
