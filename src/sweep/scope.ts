/** The meaning of names and functions in a grid's expressions for one combination. */
import { InputError } from '../core/errors.js';
import { type Experiment, experimentFields } from '../core/experiment.js';
import { modelFacts } from '../core/modelFacts.js';
import { nearestField } from '../core/nearest.js';
import { type GrammarShape, shapeOf } from '../core/rules.js';
import { classificationComplexity, type Family, sampleComplexity, scalingExponent } from '../theory/complexity.js';
import { lossPlateaus } from '../theory/losses.js';
import { rulesOf } from '../training/members.js';
import type { Derived } from './axes.js';
import type { Scope, Value } from './expression.js';

/** Variables of the grid, `$name`, in addition to the fields of the experiment. */
export type Variables = ReadonlyMap<string, unknown>;

/** The scope of one combination; `experiment` may lack fields that later derivations set. */
export function scopeOf(experiment: Record<string, unknown>, variables: Variables): Scope {
  return {
    lookup(name) {
      if (name.startsWith('$')) {
        if (variables.has(name)) return variables.get(name) as Value;
        throw unknown(name, [...variables.keys()]);
      }
      const path = name.split('.');
      let at: unknown = experiment;
      for (const key of path)
        at =
          typeof at === 'object' && at !== null && Object.hasOwn(at, key)
            ? (at as Record<string, unknown>)[key]
            : undefined;
      if (at === undefined) {
        if (name === 'grammar.n') return (experiment.grammar as { v?: number } | undefined)?.v;
        const known = experimentFields();
        if (!known.includes(name)) throw unknown(name, [...known, ...variables.keys()]);
      }
      if (typeof at === 'object' && at !== null) throw new InputError(`${name} is an object; name one of its fields`);
      return at as Value;
    },
    functions: {
      P: (ell, family) =>
        sampleComplexity(
          shapeOf(experiment.grammar as GrammarShape),
          familyOf(experiment, family),
          wholeNumber('ell', ell),
        ),
      H(ell) {
        const { H } = lossPlateaus(rulesOf(experiment as unknown as Experiment));
        const index = wholeNumber('ell', ell);
        if (!(index in H)) throw new InputError(`ell = ${index}; H goes from 0 to ${H.length - 1}`);
        return H[index];
      },
      alpha: (family) => scalingExponent(shapeOf(experiment.grammar as GrammarShape), familyOf(experiment, family)),
      Pclass: () => classificationComplexity(shapeOf(experiment.grammar as GrammarShape)),
    },
  };
}

/** A derived value; multiples of P_ell become whole sentences, or whole steps of the run's batch. @throws InputError */
export function derivedValue(derived: Derived, field: string, scope: Scope): Value {
  if (derived.kind === 'expression') return derived.expression.evaluate(scope);
  const { ell, times, family } = derived;
  const P = times * (scope.functions.P(ell, family) as number);
  if (!Number.isFinite(P))
    throw new InputError(`P_${ell} is infinite: m = v^(s-1) leaves no correlations to learn from`);
  if (field === 'budget.steps') {
    const sentences = (name: string) => (scope.lookup(name) as number | undefined) ?? 1;
    return Math.ceil(P / (sentences('budget.batch') * sentences('budget.accumulate')));
  }
  return field.startsWith('$') || field === 'budget.stopLoss' ? P : Math.round(P);
}

/** The law that a model should follow, unless an expression names one. */
function familyOf(experiment: Record<string, unknown>, given: Value): Family {
  if (given === 'cnn' || given === 'transformer') return given;
  if (given !== undefined) throw new InputError(`family: got ${JSON.stringify(given)}; pass 'cnn' or 'transformer'`);
  const kind = (experiment.model as { kind?: string } | undefined)?.kind ?? '';
  const { family } = modelFacts(kind);
  if (family) return family;
  throw new InputError(`no law is known for the model ${kind}; name the family, 'cnn' or 'transformer'`);
}

function wholeNumber(name: string, value: Value): number {
  if (!Number.isInteger(value)) throw new InputError(`${name}: got ${JSON.stringify(value)}; pass a whole number`);
  return value as number;
}

function unknown(name: string, known: readonly string[]): InputError {
  const guess = nearestField(name, known);
  return new InputError(`no field ${name}${guess ? `; did you mean ${guess}?` : ''}`);
}
