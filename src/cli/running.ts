/** What commands that train share. */
import type { CommandContext } from './context.js';

/** The first signal asks the run to save and stop; the second one ends the process. */
export function abortOnSignals(
  io: CommandContext,
  what = 'saving a checkpoint',
): { signal: AbortSignal; abort: () => void; stop: () => void } {
  const controller = new AbortController();
  let asked = false;
  const onSignal = (name: NodeJS.Signals) => {
    if (asked) process.exit(1);
    asked = true;
    io.log(`${name}: ${what}; once more to stop at once`);
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const name of signals) process.on(name, onSignal);
  return {
    signal: controller.signal,
    abort: () => controller.abort(),
    stop() {
      for (const name of signals) process.off(name, onSignal);
    },
  };
}

/** `2 min 5 s`. */
export function timeText(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  return s < 3600
    ? `${Math.floor(s / 60)} min ${s % 60} s`
    : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
