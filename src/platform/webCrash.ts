/** Uncaught errors of a web worker: reported to the other side, which ends the worker once its GPU work is done. */
export function reportCrashes(crashed: (error: unknown) => Promise<void>): void {
  globalThis.addEventListener('error', (event) => {
    event.preventDefault();
    void crashed(event.error ?? event.message);
  });
  globalThis.addEventListener('unhandledrejection', (event) => {
    event.preventDefault();
    void crashed(event.reason);
  });
}
