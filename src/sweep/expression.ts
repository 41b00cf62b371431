/**
 * Expressions of grid files: numbers, texts, fields of the experiment, arithmetic, comparisons, a fixed set of functions. Parsed
 * by jsep and evaluated here: an expression has no access to the program.
 */
import jsep, { type Expression } from 'jsep';
import { counted } from '../core/counted.js';
import { InputError } from '../core/errors.js';
import { nearest } from '../core/nearest.js';

export type Value = number | string | boolean | null | undefined;

/** The meaning of names and functions. */
export interface Scope {
  /** Value of `grammar.m`, `seed`, `$c`; undefined if an optional field is not set. @throws InputError for an unknown name. */
  lookup(name: string): Value;
  readonly functions: Readonly<Record<string, (...args: Value[]) => Value>>;
}

export interface Compiled {
  readonly text: string;
  /** @throws InputError naming the expression and its fault. */
  evaluate(scope: Scope): Value;
}

const numeric = (f: (...x: number[]) => number, arity: number) => {
  return (...args: Value[]): number => {
    if (arity >= 0 && args.length !== arity)
      throw new InputError(`${counted(args.length, 'argument')} where ${arity} ${arity === 1 ? 'is' : 'are'} required`);
    return f(...args.map(toNumber));
  };
};

/** Functions available in every expression. */
const mathFunctions: Readonly<Record<string, (...args: Value[]) => Value>> = {
  abs: numeric(Math.abs, 1),
  ceil: numeric(Math.ceil, 1),
  floor: numeric(Math.floor, 1),
  round: numeric(Math.round, 1),
  sqrt: numeric(Math.sqrt, 1),
  exp: numeric(Math.exp, 1),
  ln: numeric(Math.log, 1),
  log2: numeric(Math.log2, 1),
  log10: numeric(Math.log10, 1),
  pow: numeric((x, y) => x ** y, 2),
  min: numeric(Math.min, -1),
  max: numeric(Math.max, -1),
};

const LONGEST = 2000; // characters: a longer text could give trees so deep that they overflow the stack

/** @throws InputError if the text is not an expression. */
export function compileExpression(text: string): Compiled {
  if (text.length > LONGEST)
    throw new InputError(
      `"${text.slice(0, 40)}...": ${text.length} characters, an expression has ${LONGEST} at most; put parts of it into variables such as $a`,
    );
  let tree: Expression;
  try {
    tree = jsep(text);
  } catch (error) {
    throw new InputError(`"${text}": ${(error as Error).message}`);
  }
  return {
    text,
    evaluate(scope) {
      try {
        return evaluate(tree, scope);
      } catch (error) {
        throw error instanceof InputError ? new InputError(`"${text}": ${error.message}`) : error;
      }
    },
  };
}

/** A dotted name, or undefined if the tree is something else. */
function dotted(tree: Expression): string | undefined {
  if (tree.type === 'Identifier') return String(tree.name);
  if (tree.type !== 'MemberExpression' || tree.computed) return undefined;
  const left = dotted(tree.object as Expression);
  return left && `${left}.${String((tree.property as Expression).name)}`;
}

function evaluate(tree: Expression, scope: Scope): Value {
  const at = (key: string) => evaluate(tree[key] as Expression, scope);
  switch (tree.type) {
    case 'Literal':
      return tree.value as Value;
    case 'Identifier':
    case 'MemberExpression': {
      const name = dotted(tree);
      if (!name) break;
      return scope.lookup(name);
    }
    case 'UnaryExpression': {
      if (tree.operator === '-') return -toNumber(at('argument'));
      if (tree.operator === '+') return toNumber(at('argument'));
      if (tree.operator === '!') return !at('argument');
      break;
    }
    case 'BinaryExpression':
    case 'LogicalExpression':
      return binary(String(tree.operator), at('left'), () => at('right'));
    case 'ConditionalExpression':
      return at('test') ? at('consequent') : at('alternate');
    case 'CallExpression':
      return call(tree, scope);
  }
  const what = 'operator' in tree ? `the operator ${tree.operator}` : tree.type;
  throw new InputError(
    `${what} is not known here; use numbers, fields such as grammar.m, + - * / % **, comparisons, && || ! ?: and functions`,
  );
}

function call(tree: Expression, scope: Scope): Value {
  const name = dotted(tree.callee as Expression) ?? '';
  const functions = { ...mathFunctions, ...scope.functions };
  if (!Object.hasOwn(functions, name)) {
    const known = Object.keys(functions);
    const guess = nearest(name, known);
    throw new InputError(`no function ${name}; ${guess ? `did you mean ${guess}?` : `there are ${known.join(', ')}`}`);
  }
  const args = (tree.arguments as Expression[]).map((argument) => evaluate(argument, scope));
  try {
    return functions[name](...args);
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${name}: ${error.message}`) : error;
  }
}

function binary(operator: string, left: Value, right: () => Value): Value {
  if (operator === '&&') return left && right();
  if (operator === '||') return left || right();
  const other = right();
  if (operator === '==' || operator === '===') return left === other;
  if (operator === '!=' || operator === '!==') return left !== other;
  const [x, y] = [toNumber(left), toNumber(other)];
  const operations: Record<string, () => Value> = {
    '+': () => x + y,
    '-': () => x - y,
    '*': () => x * y,
    '/': () => x / y,
    '%': () => x % y,
    '**': () => x ** y,
    '<': () => x < y,
    '<=': () => x <= y,
    '>': () => x > y,
    '>=': () => x >= y,
  };
  if (!Object.hasOwn(operations, operator))
    throw new InputError(`the operator ${operator} is not known here${operator === '^' ? '; a power is **' : ''}`);
  return operations[operator]();
}

function toNumber(value: Value): number {
  if (typeof value !== 'number') throw new InputError(`expected a number, got ${JSON.stringify(value)}`);
  return value;
}
