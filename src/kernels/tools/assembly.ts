/**
 * Files that the build writes for assembly/: a class for the words of every operation's commands, and the call by op code.
 * Addresses are in bytes, 0 without the tensor; strides in elements; `inputAt(r)` is the address of replica r of `input`.
 */
import { commandWords, control } from '../../wasm/memory.js';
import type { Layout } from '../shared/operation.js';
import {
  change,
  clock,
  constantName,
  depth,
  header,
  held,
  hyper,
  mask,
  pace,
  scaling,
  source,
  type Words,
} from '../shared/words.js';
import { kernels } from '../table.js';

const layouts = Object.values(kernels).map(({ layout }) => layout);
const note = '// Written by the build (src/kernels/tools/assembly.ts).\n';

/** Files of build/assembly/ by name. */
export function assemblyFiles(): Record<string, string> {
  return {
    'layouts.ts': note + layouts.map(classOf).join(''),
    'dispatch.ts': note + dispatch(),
    'words.ts': note + words(),
  };
}

function classOf({ op, fields, names }: Layout): string {
  const types = { address: 'usize', u32: 'u32', i32: 'i32', f32: 'f32' };
  const lines = [...fields].map(([name, type]) => `  ${name}: ${types[type]};\n`).join('');
  const indices = [...names].flatMap(([param, list]) =>
    list.map((name, i) => `export const ${constantName(`${op}_${param}`)}_${constantName(name)}: u32 = ${i};\n`),
  );
  const starts = [...fields].flatMap(([name, type]) =>
    type === 'address' && fields.has(`${name}Replica`)
      ? [`  @inline ${name}At(r: u32): usize {\n    return this.${name} + 4 * r * this.${name}Replica;\n  }\n`]
      : [],
  );
  return `\n@unmanaged\nexport class ${className(op)} {\n${lines}${starts.join('')}}\n${indices.join('')}`;
}

const className = (op: string) => op[0].toUpperCase() + op.slice(1);

/** Calls a command's functions by op code. src/wasm/memory.ts reads the codes by name. */
function dispatch(): string {
  const imports = layouts.map(
    ({ op, kernels: functions }) =>
      `import { ${functions.join(', ')} } from '../../assembly/kernels/${op}';\nimport { ${className(op)} } from './layouts';\n`,
  );
  const calls = layouts.flatMap(({ op, kernels: functions, scratch }) =>
    functions.map((name) => ({
      name,
      text: `${name}(changetype<${className(op)}>(p), thread, threads${scratch ? ', scratch' : ''})`,
    })),
  );
  const codes = calls.map(({ name }, i) => `export const OP_${name}: u32 = ${i + 1};\n`);
  const cases = calls.map(({ name, text }) => `    case OP_${name}:\n      ${text};\n      break;\n`);
  return `${imports.join('')}
${codes.join('')}
/** One thread's share of a command. p: its parameter words; scratch: memory of this thread's own. */
export function execute(op: u32, p: usize, thread: u32, threads: u32, scratch: usize): void {
  switch (op) {
${cases.join('')}  }
}
`;
}

/** Byte offsets of the words of src/kernels/shared/words.ts, of the control block and of a command. */
function words(): string {
  const bytes = Object.entries(control).map(
    ([name, at]) => `export const CONTROL_${constantName(name)}: usize = ${at};\n`,
  );
  const command = { prefix: 'COMMAND', at: commandWords, count: Object.keys(commandWords).length };
  const records: readonly Words[] = [clock, hyper, pace, scaling, header, depth, held, source, mask, change, command];
  return records
    .flatMap(({ prefix, at, count }) => [
      '\n',
      ...Object.entries(at).map(
        ([name, word]) => `export const ${prefix}_${constantName(name)}: usize = ${4 * word};\n`,
      ),
      ...(count === undefined ? [] : [`export const ${prefix}_RECORD: usize = ${4 * count};\n`]),
    ])
    .concat('\n', ...bytes)
    .join('');
}
