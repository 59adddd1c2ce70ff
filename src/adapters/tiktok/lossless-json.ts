export type JsonObject = Readonly<Record<string, unknown>>;

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * JSON in which an integer that a number can't hold becomes the string of its exact digits. TikTok sends ids of 19 digits
 * as bare numbers, and plain `JSON.parse` rounds them without a word (open-api §0).
 */
export const parseLosslessJson = (text: string): unknown =>
  LONG_NUMBER.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text);

/** Without one, and few answers have one, there is nothing to keep: looking at each value takes longer than reading them. */
const LONG_NUMBER = /(?:^|[[:,\s-])\d{16}/;

// The third argument is of Node 21 and later; TypeScript's own declaration does not know it yet.
const keepDigits = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
  typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
    ? context?.source
    : value;
