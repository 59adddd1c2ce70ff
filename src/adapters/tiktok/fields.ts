/** Readers for one field of an answer. Undefined when it is absent or not of the documented kind. */

export const asText = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** A token goes into a header: printable ASCII only. */
export const asToken = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) ? value : undefined;

export const asBoolean = (value: unknown): boolean | undefined => (typeof value === 'boolean' ? value : undefined);

export const asCount = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

/** A count that may come as its digits. */
export const asWhole = (value: unknown): number | undefined =>
  asCount(typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value);

/** What is measured and not counted: need not be whole. */
export const asAmount = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;

/** How far rounding may carry a fraction beyond 1. */
const ROUNDING = 0.0001;

/** 0 to 1. */
export const asFraction = (value: unknown): number | undefined => {
  const fraction = asAmount(value);
  return fraction === undefined || fraction > 1 + ROUNDING ? undefined : Math.min(fraction, 1);
};

/** Seconds since 1970, as a number or its digits. */
export const asTime = (value: unknown): Date | undefined => {
  const time = new Date((asWhole(value) || Number.NaN) * 1000);
  return Number.isNaN(time.getTime()) ? undefined : time;
};

export const asPositive = (value: unknown): number | undefined => asCount(value) || undefined;

/** An id in digits, whether it came as a number or as a string. */
export const asId = (value: unknown): string | undefined => {
  const digits = typeof value === 'number' ? String(value) : value;
  return typeof digits === 'string' && /^[1-9]\d*$/.test(digits) ? digits : undefined;
};

export const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export const isDefined = <T>(value: T | undefined): value is T => value !== undefined;

type Present<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Without the members that are undefined. */
export const present = <T extends object>(fields: T): Present<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
