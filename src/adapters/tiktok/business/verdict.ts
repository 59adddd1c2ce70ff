import { asWord, type Verdict } from '../answer.ts';
import { asText } from '../fields.ts';
import type { JsonObject } from '../lossless-json.ts';

/** `{"code","message","request_id","data"}`: 0 alone is success, which all families here call `ok` (business-api §2.2). */
export const businessVerdict = (json: JsonObject): Verdict => ({
  code: Number.isSafeInteger(json['code']) ? (json['code'] === 0 ? 'ok' : String(json['code'])) : undefined,
  message: asText(json['message']),
  logId: asWord(json['request_id']),
});
