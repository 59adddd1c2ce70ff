import { asText } from './fields.ts';
import { isJsonObject, type JsonObject, parseLosslessJson } from './lossless-json.ts';

/** One answer of TikTok's, whichever of its two error shapes it speaks. */
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

export function readAnswer(status: number, text: string, headerLogId: string | undefined): Answer {
  const json = jsonObject(text);
  if (json === undefined) return { status, body: bodyKind(text), json: {}, logId: asWord(headerLogId) };
  const said = isJsonObject(json['error']) ? apiError(json['error']) : oauthError(json);
  return { status, body: 'JSON', json, ...said, logId: said.logId ?? asWord(headerLogId) };
}

/** `{"error":{"code","message","log_id"}}` (open-api §2). The field tables call the last one `logid` (§0). */
const apiError = (error: JsonObject) => ({
  code: asWord(error['code']),
  message: asText(error['message']),
  logId: asWord(error['log_id'] ?? error['logid']),
});

/** `{"error","error_description","log_id"}` (open-api §1.7). */
const oauthError = (json: JsonObject) => ({
  code: asWord(json['error']),
  message: asText(json['error_description']),
  logId: asWord(json['log_id'] ?? json['logid']),
});

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
