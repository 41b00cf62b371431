/** Compiles assembly/ to build/wasm/: every target of asconfig.json in one process, in which the compiler is warm after the first. */
import asc from 'assemblyscript/asc';
import { wasmModules } from './build.mjs';

for (const [target, entry] of Object.entries(wasmModules)) {
  const { error, stderr } = await asc.main([entry, '--config', 'asconfig.json', '--target', target]);
  process.stderr.write(stderr.toString());
  if (error) {
    console.error(`build/wasm/${target}.wasm: ${error.message}`);
    process.exit(1);
  }
}
