/** What a column gives: the ORM makes dates, plain SQL and JSON give text. */
export type Time = Date | string;

export const date = (time: Time): Date => (time instanceof Date ? time : new Date(time));

export const optionalDate = (time: Time | null | undefined): Date | undefined =>
  time === null || time === undefined ? undefined : date(time);

/** The object without the members that are undefined: absent is absent, also under `exactOptionalPropertyTypes`. */
export function present<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined && value !== null)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

/** PostgreSQL's text holds no NUL character, so nothing is stored under a name that has one. */
export const isStorable = (...names: readonly (string | undefined)[]): boolean =>
  names.every((name) => name === undefined || !name.includes('\0'));

/** JSON that PostgreSQL takes whatever other people wrote: without NUL characters and halves of a character. */
export const storableJson = (value: unknown): string =>
  JSON.stringify(value, (_, each) => (typeof each === 'string' ? each.replaceAll('\0', '').toWellFormed() : each));
