import type { PublishError } from '../../../domain/publish-error.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { Secret } from '../../../domain/secret.ts';
import type { Answer } from '../answer.ts';
import { present } from '../fields.ts';
import type { Address, Http } from '../http.ts';
import { isJsonObject, type JsonObject } from '../lossless-json.ts';
import { byStatus, refusal } from '../refusal.ts';
import { readCredential } from './credential.ts';
import { meaningOf } from './errors.ts';

export type Approved = { readonly data: JsonObject; readonly answer: Answer; readonly openId: string };

/** Calls with an account's token, which goes to this origin and nowhere else. */
export type BusinessApi = {
  call(request: {
    /** With a slash at its end, or TikTok's edge does not know it. */
    readonly path: string;
    readonly accessToken: Secret;
    /** Of a GET; arrays and objects go out as JSON. */
    readonly query?: JsonObject;
    /** Sent as JSON with POST. Without it: GET. */
    readonly body?: JsonObject;
    /** Scopes without which TikTok refuses this call, to name them when it does. */
    readonly scopes: readonly string[];
    /** Of an answer that may be larger than others. */
    readonly maxAnswerBytes?: number;
    /** What only this call can read from a refusal. */
    readonly meaning?: (answer: Answer) => PublishError | undefined;
  }): Promise<Result<Approved, PublishError>>;
};

export function businessApi(http: Http, at: (path: string) => Address, withinMilliseconds: number): BusinessApi {
  return {
    async call({ path, accessToken, query = {}, body, scopes, maxAnswerBytes, meaning }) {
      const credential = readCredential(accessToken);
      // Nothing that this family ever gave: TikTok would not know it either.
      if (credential === undefined) return err({ code: 'ACCOUNT_SESSION_INVALID' });
      const { openId, token } = credential;
      const headers = { 'access-token': token.reveal() };
      const answer = await http.ask(
        body === undefined
          ? {
              address: at(path + queryText({ business_id: openId, ...query })),
              method: 'GET',
              headers,
              withinMilliseconds,
              ...present({ maxAnswerBytes }),
            }
          : {
              address: at(path),
              method: 'POST',
              headers: { ...headers, 'content-type': 'application/json' },
              body: JSON.stringify({ business_id: openId, ...body }),
              withinMilliseconds,
            },
      );
      if (!answer.ok) return answer;
      const error = refused(answer.value, { scopes, partly: body === undefined, meaning });
      return error === undefined ? ok({ data: dataOf(answer.value), answer: answer.value, openId }) : err(error);
    },
  };
}

const queryText = (query: JsonObject): string =>
  `?${new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [
      name,
      typeof value === 'object' ? JSON.stringify(value) : String(value),
    ]),
  )}`;

export const dataOf = ({ json }: Answer): JsonObject => (isJsonObject(json['data']) ? json['data'] : {});

/** Success of a part, which is good enough for reading. */
const PARTLY = '20001';

/**
 * Undefined when TikTok said yes. Refusals come with HTTP 200, so the code alone decides; the status does only where there is
 * no code to read (business-api §2.3).
 */
export function refused(
  answer: Answer,
  {
    scopes = [],
    partly = false,
    meaning,
  }: {
    readonly scopes?: readonly string[];
    readonly partly?: boolean;
    readonly meaning?: ((answer: Answer) => PublishError | undefined) | undefined;
  } = {},
): PublishError | undefined {
  const { code, status, message = `TikTok answered HTTP ${status}.` } = answer;
  if (code === 'ok' || (partly && code === PARTLY)) return undefined;
  const known = meaning?.(answer) ?? (code === undefined ? byStatus(answer) : meaningOf(code, message));
  return refusal(known, { ...answer, message }, scopes);
}
