import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Duration, durationMs, type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { invalid, optionalText, requireText } from '../../application/field-checks.ts';
import type { Finding } from '../../domain/finding.ts';

/** Something read from a request, and what is wrong with how it was sent. The value is safe to use either way. */
export type Read<T> = { readonly value: T; readonly findings: readonly Finding[] };

const fine = <T>(value: T): Read<T> => ({ value, findings: [] });
const wrong = (finding: Finding): Read<undefined> => ({ value: undefined, findings: [finding] });

export const ID_LIMIT = 200;

/** The id of the resource a request names, and the optional workspace beside it. */
export const checkName = (field: string, id: string, workspaceId: string): readonly Finding[] => [
  ...requireText(field, id, ID_LIMIT),
  ...optionalText('workspace_id', workspaceId, ID_LIMIT),
];

/** Ids to filter by. */
export const checkIds = (field: string, ids: readonly string[]): readonly Finding[] =>
  ids.length <= 500
    ? ids.flatMap((id) => requireText(field, id, ID_LIMIT)).slice(0, 1)
    : [invalid(field, `${ids.length} ids`, 'at most 500', 'Ask for fewer at a time.')];

const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;

export function readTime(field: string, time: Timestamp | undefined): Read<Date | undefined> {
  if (time === undefined) return fine(undefined);
  const { seconds, nanos } = time;
  if (seconds >= FIRST_SECOND && seconds <= LAST_SECOND && nanos >= 0 && nanos < 1e9) return fine(timestampDate(time));
  return wrong(
    invalid(
      field,
      `${seconds} s and ${nanos} ns`,
      'a time in the years 1 to 9999, with 0 to 999999999 ns',
      'Send a valid google.protobuf.Timestamp.',
    ),
  );
}

const LONGEST_SECONDS = 315_576_000_000n;

/** A length of time that is not negative, in milliseconds. */
export function readLength(field: string, length: Duration | undefined): Read<number | undefined> {
  if (length === undefined) return fine(undefined);
  const { seconds, nanos } = length;
  if (seconds >= 0n && seconds <= LONGEST_SECONDS && nanos >= 0 && nanos < 1e9) return fine(durationMs(length));
  return wrong(
    invalid(
      field,
      `${seconds} s and ${nanos} ns`,
      `0 to ${LONGEST_SECONDS} s, with 0 to 999999999 ns`,
      'Send a valid google.protobuf.Duration that is not negative.',
    ),
  );
}

/** What each number of an enum of the contract means to us. Only `0` may mean nothing. */
export type EnumTable<T> = Readonly<Record<number, T | undefined>>;

/** `undefined` for 0, which every enum of the contract has for "not set". */
export function readEnum<T extends string>(field: string, value: number, table: EnumTable<T>): Read<T | undefined> {
  const meant = table[value];
  return meant !== undefined || value === 0 ? fine(meant) : wrong(unknownValue(field, value, table));
}

export function readEnums<T extends string>(
  field: string,
  values: readonly number[],
  table: EnumTable<T>,
): Read<readonly T[]> {
  const known = values.flatMap((value) => table[value] ?? []);
  const unknown = values.find((value) => table[value] === undefined);
  return { value: [...new Set(known)], findings: unknown === undefined ? [] : [unknownValue(field, unknown, table)] };
}

export const unknownValue = (field: string, value: number, table: EnumTable<string>): Finding => {
  const names = Object.values(table).filter((name) => name !== undefined);
  return invalid(
    field,
    value === 0 ? 'unspecified' : String(value),
    names.join(', '),
    `Send one of: ${names.join(', ')}.`,
  );
};

/** Text that neither a database nor a header can carry, wherever in the request it stands. */
export function checkText<Desc extends DescMessage>(desc: Desc, message: MessageShape<Desc>): readonly Finding[] {
  return Array.from(unusableText(reflect(desc, message), ''), (field) =>
    invalid(
      field,
      'a NUL character, or half of a surrogate pair',
      'well-formed Unicode without NUL',
      `Send ${field} without them.`,
    ),
  );
}

const usable = (value: unknown): boolean =>
  typeof value !== 'string' || (!value.includes('\0') && value.isWellFormed());

function* unusableText(message: ReflectMessage, path: string): Iterable<string> {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const name = `${path}${field.name}`;
    switch (field.fieldKind) {
      case 'scalar':
        if (!usable(message.get(field))) yield name;
        break;
      case 'message':
        yield* unusableText(message.get(field), `${name}.`);
        break;
      case 'list':
        if (Iterator.from(message.get(field)).some((item) => !usable(item))) yield name;
        break;
      case 'map':
        if (Iterator.from(message.get(field)).some(([key, value]) => !usable(key) || !usable(value))) yield name;
        break;
      case 'enum':
        break;
    }
  }
}
