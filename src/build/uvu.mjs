/**
 * The module that a test file gets when it imports `uvu`: uvu itself, plus a record of the registered and completed tests, written at
 * exit to the file RHM_TEST_RESULT. uvu alone exits 0 after a `before` hook that throws, and when `.run()` is missing.
 */
import { writeFileSync } from 'node:fs';
import * as uvu from 'uvu';

const suites = [];

export function suite(name = '', state = {}) {
  return watch(uvu.suite(name, state), name);
}

export const test = watch(uvu.test, 'test');
export const exec = uvu.exec;

function watch(inner, name) {
  const record = { name, registered: 0, passed: 0, failed: 0, skipped: 0, only: 0, runs: 0, hookErrors: 0 };
  suites.push(record);
  const counted = (handler) => async (context) => {
    try {
      await handler(context);
      record.passed++;
    } catch (error) {
      record.failed++;
      throw error;
    }
  };
  // uvu swallows the errors of hooks: they are reported here and counted.
  const hooked = (label, register) => (handler) =>
    register(async (context) => {
      try {
        await handler(context);
      } catch (error) {
        record.hookErrors++;
        console.error(`suite "${name}": the ${label} hook threw:`, error);
        throw error;
      }
    });
  const outer = (title, handler) => {
    record.registered++;
    inner(title, counted(handler));
  };
  outer.only = (title, handler) => {
    record.registered++;
    record.only++;
    inner.only(title, counted(handler));
  };
  outer.skip = (...args) => {
    record.skipped++;
    inner.skip(...args);
  };
  outer.before = hooked('before', inner.before);
  outer.before.each = hooked('before.each', inner.before.each);
  outer.after = hooked('after', inner.after);
  outer.after.each = hooked('after.each', inner.after.each);
  outer.run = () => {
    record.runs++;
    inner.run();
  };
  return outer;
}

process.on('exit', () => {
  const used = suites.filter((s) => s.registered || s.skipped || s.runs || s.name !== 'test');
  if (process.env.RHM_TEST_RESULT) writeFileSync(process.env.RHM_TEST_RESULT, JSON.stringify(used));
});
