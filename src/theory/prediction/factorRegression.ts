/** A mixed regression on named factors that knows the range it was fitted to and refuses to predict outside it. */
import { Matrix } from 'ml-matrix';
import { dot, isExact, MixedRegression, type Prediction, quadratic, type RegressionRow } from './mixedRegression.js';
import { inverseOf } from './symmetric.js';

export interface Factor {
  name: string;
  /** `log`: y follows a power of the factor; `linear`: a constant ratio per unit. */
  scale: 'log' | 'linear';
  square?: boolean; // the optimum may be inside the range: the square is included if there are enough values
  show?: (value: number) => string;
}

export interface FactorRow {
  values: readonly number[]; // by factor
  group: string; // for example a grammar
  low: number; // as in RegressionRow
  high: number;
}

/** Why something cannot be predicted. */
export interface Refusal {
  refused: string;
}

export const isRefusal = (value: object): value is Refusal => 'refused' in value;

interface Column {
  factor: number; // index of the factor
  square: boolean;
  centre: number;
  spread: number;
}

const LEAST_FREEDOM = 3; // number of exact rows required beyond the number of columns
const SQUARE_FREEDOM = 6; // the same if the columns include a square
const LEAST_GROUPS = 2; // number of groups required beyond the columns that differ only between groups
const DEPENDENT = 1e-6; // fraction of a column's length

export class FactorRegression {
  readonly #columns: readonly Column[];
  readonly #dependent: readonly { column: Column; weights: readonly number[] }[];
  readonly #fit: MixedRegression;
  readonly #ranges: readonly (readonly number[])[]; // values of each factor in the exact rows, increasing
  readonly #leverage: { inverse: number[][]; most: number };
  readonly #groups: ReadonlySet<string>;
  readonly #groupFreedom: number;
  readonly exact: number; // rows
  readonly bounds: number;

  private constructor(
    readonly factors: readonly Factor[],
    rows: readonly FactorRow[],
    chosen: ReturnType<typeof chooseColumns>,
  ) {
    const exact = rows.filter(isExact);
    this.exact = exact.length;
    this.bounds = rows.length - exact.length;
    this.#columns = chosen.columns;
    this.#dependent = chosen.dependent;
    this.#ranges = factors.map((_, k) => distinct(exact.map(({ values }) => values[k])));
    this.#fit = new MixedRegression(rows.map((row) => ({ ...row, x: this.#x(row.values) })));
    const design = exact.map(({ values }) => this.#x(values));
    const inverted = inverseOfProducts(design);
    this.#leverage = { inverse: inverted, most: Math.max(...design.map((x) => quadratic(inverted, x))) };
    this.#groups = new Set(rows.map(({ group }) => group));
    this.#groupFreedom = groupFreedom(exact.map((row) => ({ ...row, x: this.#x(row.values) })));
  }

  /** Fits the rows; returns a refusal if there are too few. */
  static of(factors: readonly Factor[], rows: readonly FactorRow[]): FactorRegression | Refusal {
    const exact = rows.filter(isExact);
    if (!exact.length) return { refused: `none of ${rows.length} curves reached the level` };
    const chosen = chooseColumns(factors, exact);
    const columns = 1 + chosen.columns.length;
    if (exact.length < columns + LEAST_FREEDOM) {
      const names = [...new Set(chosen.columns.map(({ factor }) => factors[factor].name))];
      const varied = names.length ? ` (${names.join(', ')} vary)` : '';
      return {
        refused: `${exact.length} curves reached the level, at least ${columns + LEAST_FREEDOM} are needed${varied}`,
      };
    }
    return new FactorRegression(factors, rows, chosen);
  }

  /** y of a run with these values; a refusal if the rows do not surround it. */
  predict(values: readonly number[], group: string): Prediction | Refusal {
    const outside = this.#outside(values, group);
    return outside === undefined ? this.#fit.predict(this.#x(values), group) : { refused: outside };
  }

  /** Powers of the factors that vary (for a linear factor, the change per unit), with standard errors. */
  get powers(): { name: string; power: number; error: number }[] {
    const { coefficients } = this.#fit;
    return this.#columns.flatMap(({ factor, square, spread }, i) => {
      const { value, error } = coefficients[i + 1];
      return square ? [] : [{ name: this.factors[factor].name, power: value / spread, error: error / spread }];
    });
  }

  /** y predicted at the mean values of the exact rows, with its standard error. */
  get level(): { value: number; error: number } {
    return this.#fit.coefficients[0];
  }

  /** Variance between groups divided by the variance within one. */
  get ratio(): number {
    return this.#fit.ratio;
  }

  /** Variance within a group. */
  get variance(): number {
    return this.#fit.variance;
  }

  #x(values: readonly number[]): number[] {
    return [1, ...this.#columns.map((column) => columnValue(this.factors, column, values))];
  }

  #outside(values: readonly number[], group: string): string | undefined {
    for (const [k, factor] of this.factors.entries()) {
      const known = this.#ranges[k];
      const low = known[0];
      const high = known[known.length - 1];
      const show = factor.show ?? ((value: number) => String(Number(value.toPrecision(6))));
      const inside = values[k] >= low * (1 - 1e-9) && values[k] <= high * (1 + 1e-9);
      if (!inside)
        return `${factor.name} ${show(values[k])}: the store has ${low === high ? `${show(low)} alone` : `${show(low)} to ${show(high)}`}`;
    }
    const x = this.#x(values);
    for (const { column, weights } of this.#dependent) {
      const value = columnValue(this.factors, column, values);
      if (Math.abs(value - dot(weights, x)) > DEPENDENT * 10 * (1 + Math.abs(value)))
        return `${this.factors[column.factor].name}: varies together with other factors in the store, and differently here`;
    }
    const { inverse: inverted, most } = this.#leverage;
    if (quadratic(inverted, x) > most * (1 + 1e-9)) {
      const names = [...new Set(this.#columns.map(({ factor }) => this.factors[factor].name))];
      return `this combination of ${names.join(', ')} is outside those of the store`;
    }
    if (!this.#groups.has(group) && this.#groupFreedom < LEAST_GROUPS)
      return 'a grammar that is not in the store, whose grammars are too few to tell how much grammars differ';
    return undefined;
  }
}

const measured = ({ scale }: Factor, value: number) => (scale === 'log' ? Math.log(value) : value);

function columnValue(
  factors: readonly Factor[],
  { factor, square, centre, spread }: Column,
  values: readonly number[],
) {
  const value = (measured(factors[factor], values[factor]) - centre) / spread;
  return square ? value * value - 1 : value;
}

/** The factors that vary, in order; those that depend linearly on earlier ones are separated out. */
function chooseColumns(factors: readonly Factor[], exact: readonly FactorRow[]) {
  const columns: Column[] = [];
  const dependent: { column: Column; weights: number[] }[] = [];
  const candidates = factors.flatMap((factor, k): Column[] => {
    const values = exact.map((row) => measured(factor, row.values[k]));
    if (distinct(values).length < 2) return [];
    const centre = values.reduce((a, b) => a + b, 0) / values.length;
    const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / values.length);
    const line = { factor: k, square: false, centre, spread };
    return factor.square && distinct(values).length > 2 ? [line, { ...line, square: true }] : [line];
  });
  const inOrder = [...candidates.filter(({ square }) => !square), ...candidates.filter(({ square }) => square)];
  for (const column of inOrder) {
    const x = exact.map(({ values }) => [1, ...columns.map((c) => columnValue(factors, c, values))]);
    const y = exact.map(({ values }) => columnValue(factors, column, values));
    const weights = leastSquares(x, y);
    const left = y.reduce((sum, value, i) => sum + (value - dot(weights, x[i])) ** 2, 0);
    const length = y.reduce((sum, value) => sum + value * value, 0);
    if (left > DEPENDENT ** 2 * length) {
      if (!column.square || exact.length >= 2 + columns.length + SQUARE_FREEDOM) columns.push(column);
    } else if (!column.square) dependent.push({ column, weights });
  }
  return { columns, dependent };
}

/** Number of groups minus the columns that differ between groups but not within them. */
function groupFreedom(rows: readonly (Pick<RegressionRow, 'group'> & { x: readonly number[] })[]): number {
  const groups = new Map<string, (readonly number[])[]>();
  for (const { group, x } of rows) groups.set(group, [...(groups.get(group) ?? []), x]);
  const between = rows[0].x.filter((_, k) => [...groups.values()].every((own) => own.every((x) => x[k] === own[0][k])));
  return groups.size - between.length;
}

/** (X' X)^-1 */
function inverseOfProducts(x: readonly (readonly number[])[]): number[][] {
  const design = new Matrix(x.map((row) => [...row]));
  return inverseOf(design.transpose().mmul(design));
}

function leastSquares(x: readonly (readonly number[])[], y: readonly number[]): number[] {
  const design = new Matrix(x.map((row) => [...row]));
  return new Matrix(inverseOfProducts(x))
    .mmul(design.transpose())
    .mmul(Matrix.columnVector([...y]))
    .to1DArray();
}

const distinct = (values: readonly number[]): number[] => [...new Set(values)].sort((a, b) => a - b);
