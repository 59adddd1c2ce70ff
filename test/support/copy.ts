import { Secret } from '../../src/domain/secret.ts';

/** A deep copy of plain data with dates and secrets in it: what a fake hands out can't change what it keeps. */
export function copyOf<T>(value: T): T;
export function copyOf(value: unknown): unknown {
  if (value instanceof Date) return new Date(value);
  if (value instanceof Secret) return new Secret(value.reveal());
  if (Array.isArray(value)) return value.map((item) => copyOf(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copyOf(member)]));
}

/** The same with the text of every secret in plain sight, for comparing: two secrets look alike to `toEqual`. */
export function revealed(value: unknown): unknown {
  if (value instanceof Date) return new Date(value);
  if (value instanceof Secret) return { secret: value.reveal() };
  if (Array.isArray(value)) return value.map(revealed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, revealed(member)]));
}
