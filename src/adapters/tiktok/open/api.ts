import type { PublishError } from '../../../domain/publish-error.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { Secret } from '../../../domain/secret.ts';
import type { Answer } from '../answer.ts';
import type { Address, Http } from '../http.ts';
import { isJsonObject, type JsonObject } from '../lossless-json.ts';
import { byStatus, refusal } from '../refusal.ts';
import { ERROR_CODES } from './errors.ts';

export type Approved = { readonly data: JsonObject; readonly answer: Answer };

/** Calls of the JSON API with an account's token, which goes to this origin and nowhere else. */
export type Api = {
  call(request: {
    readonly path: string;
    readonly accessToken: Secret;
    /** Sent as JSON with POST. Without it: GET. */
    readonly body?: JsonObject;
    /** Scopes without which TikTok refuses this call, to name them when it does. */
    readonly scopes: readonly string[];
  }): Promise<Result<Approved, PublishError>>;
};

export function openApi(http: Http, at: (path: string) => Address, withinMilliseconds: number): Api {
  return {
    async call({ path, accessToken, body, scopes }) {
      const authorization = `Bearer ${accessToken.reveal()}`;
      const answer = await http.ask({
        address: at(path),
        withinMilliseconds,
        ...(body === undefined
          ? { method: 'GET', headers: { authorization } }
          : {
              method: 'POST',
              headers: { authorization, 'content-type': 'application/json; charset=UTF-8' },
              body: JSON.stringify(body),
            }),
      });
      return answer.ok ? judge(answer.value, scopes) : answer;
    },
  };
}

/** Yes is HTTP 2xx and the code `ok`, both (open-api §0). A code that we know outweighs the status. */
function judge(answer: Answer, scopes: readonly string[]): Result<Approved, PublishError> {
  const { status, code, json } = answer;
  if (code === 'ok' && status >= 200 && status < 300) {
    return ok({ data: isJsonObject(json['data']) ? json['data'] : {}, answer });
  }
  const meaning = (code !== undefined && ERROR_CODES.get(code)) || byStatus(answer);
  return err(refusal(meaning, { ...answer, message: answer.message ?? `TikTok answered HTTP ${status}.` }, scopes));
}
