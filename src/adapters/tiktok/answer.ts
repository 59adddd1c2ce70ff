import { isJsonObject, type JsonObject, parseLosslessJson } from './lossless-json.ts';

/** One answer of TikTok's, whichever of its error shapes it speaks. */
export type Answer = {
  readonly status: number;
  readonly body: 'JSON' | 'EMPTY' | 'HTML' | 'OTHER';
  /** Empty unless the body is a JSON object. */
  readonly json: JsonObject;
  /** `ok`, an error code or an OAuth error; absent when the body names none. */
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly logId?: string | undefined;
};

/** What the body itself says of the outcome. Families differ in where they say it. */
export type Verdict = Pick<Answer, 'code' | 'message' | 'logId'>;

export function readAnswer(
  said: (json: JsonObject) => Verdict,
  status: number,
  text: string,
  headerLogId: string | undefined,
): Answer {
  const json = jsonObject(text);
  if (json === undefined) return { status, body: bodyKind(text), json: {}, logId: asWord(headerLogId) };
  const verdict = said(json);
  return { status, body: 'JSON', json, ...verdict, logId: verdict.logId ?? asWord(headerLogId) };
}

/** Codes and log ids are stored and shown: a longer or stranger one is not one. */
export const asWord = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\w.-]{1,100}$/.test(value) ? value : undefined;

function jsonObject(text: string): JsonObject | undefined {
  try {
    const value = parseLosslessJson(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const bodyKind = (text: string) => {
  const start = text.trimStart();
  if (start === '') return 'EMPTY';
  return start.startsWith('<') ? 'HTML' : 'OTHER';
};
