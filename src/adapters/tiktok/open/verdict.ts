import { asWord, type Verdict } from '../answer.ts';
import { asText } from '../fields.ts';
import { isJsonObject, type JsonObject } from '../lossless-json.ts';

/** The open family has two error shapes: that of the API and that of OAuth. */
export const openVerdict = (json: JsonObject): Verdict =>
  isJsonObject(json['error']) ? apiError(json['error']) : oauthError(json);

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
