/** Input of the control API or a setting that can't be taken: which, what was seen, what is allowed, what to do. */
export class Refused extends Error {
  readonly status: 400 | 404 | 409;
  readonly field: string;
  readonly seen: unknown;
  readonly limit: string;
  readonly remedy: string;

  constructor(status: 400 | 404 | 409, problem: { field: string; seen: unknown; limit: string; remedy: string }) {
    super(`${problem.field}: ${problem.limit}; saw ${shown(problem.seen)}. ${problem.remedy}`);
    this.name = 'Refused';
    this.status = status;
    this.field = problem.field;
    this.seen = problem.seen;
    this.limit = problem.limit;
    this.remedy = problem.remedy;
  }
}

/** Gives the value back with its type, or throws `Refused` naming the field. */
export type Check<T> = (value: unknown, field: string) => T;

/** One check per property of `T`, optional ones included. */
export type Checks<T> = { readonly [K in keyof T]-?: Check<Exclude<T[K], undefined>> };

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value));
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

export function refuse(field: string, seen: unknown, limit: string, remedy: string): never {
  throw new Refused(400, { field, seen, limit, remedy });
}

export function notFound(field: string, seen: unknown, remedy: string): never {
  throw new Refused(404, { field, seen, limit: 'must name something that exists', remedy });
}

export const text =
  (shortest: number, longest: number): Check<string> =>
  (value, field) => {
    if (typeof value === 'string' && value.length >= shortest && value.length <= longest) return value;
    return refuse(field, value, `must be text of ${shortest} to ${longest} characters`, 'Send such a text.');
  };

export const flag: Check<boolean> = (value, field) =>
  typeof value === 'boolean' ? value : refuse(field, value, 'must be true or false', 'Send a JSON boolean.');

export const whole =
  (least: number, most: number): Check<number> =>
  (value, field) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    return refuse(field, value, `must be a whole number from ${least} to ${most}`, 'Send a JSON number in that range.');
  };

export const fraction: Check<number> = (value, field) =>
  typeof value === 'number' && value > 0 && value <= 1
    ? value
    : refuse(field, value, 'must be above 0 and at most 1', 'Send 0.25 for one call in four.');

export const within =
  (least: number, most: number): Check<number> =>
  (value, field) => {
    if (typeof value === 'number' && value >= least && value <= most) return value;
    return refuse(field, value, `must be a number from ${least} to ${most}`, 'Send a JSON number in that range.');
  };

export const oneOf =
  <const T extends string | number>(...allowed: readonly T[]): Check<T> =>
  (value, field) => {
    const found = allowed.find((candidate) => candidate === value);
    return found ?? refuse(field, value, `must be one of ${allowed.join(', ')}`, 'Send one of these.');
  };

export const listOf =
  <T>(item: Check<T>, most: number): Check<T[]> =>
  (value, field) => {
    if (!Array.isArray(value) || value.length > most)
      return refuse(field, value, `must be a list of at most ${most}`, 'Send a JSON array.');
    return value.map((entry, index) => item(entry, `${field}[${index}]`));
  };

export const orNull =
  <T>(check: Check<T>): Check<T | null> =>
  (value, field) =>
    value === null ? null : check(value, field);

export function asObject(value: unknown, field: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  return refuse(field, value, 'must be a JSON object', 'Send an object.');
}

/** The known properties that are present, checked. A property nobody knows is refused: it is most likely a typo. */
export function readPatch<T extends object>(checks: Checks<T>, value: unknown, field: string): Partial<T> {
  const patch: Record<string, unknown> = {};
  for (const [name, seen] of Object.entries(asObject(value, field))) {
    if (seen === undefined) continue;
    const check = (checks as Record<string, Check<unknown>>)[name];
    if (!check || !Object.hasOwn(checks, name)) {
      return refuse(
        `${field}.${name}`,
        seen,
        `must be one of ${Object.keys(checks).join(', ')}`,
        'Check the spelling.',
      );
    }
    patch[name] = check(seen, `${field}.${name}`);
  }
  return patch as Partial<T>;
}
