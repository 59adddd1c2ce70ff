import type { PublishError } from '../../domain/publish-error.ts';
import type { Answer } from './answer.ts';
import { present } from './fields.ts';

export const UNAVAILABLE = { code: 'PLATFORM_UNAVAILABLE' } as const;
export const RATE_LIMITED = { code: 'UPSTREAM_RATE_LIMITED' } as const;
export const REJECTED = { code: 'CONNECTOR_REQUEST_REJECTED' } as const;

/** What the status alone tells. A redirect is never followed and counts as a platform that is not itself. */
export function byStatus({ status, body }: Pick<Answer, 'status' | 'body'>): PublishError {
  if (status === 429) return RATE_LIMITED;
  const rejected = status >= 400 && status < 500 && status !== 408;
  const unreadable = body === 'HTML' || (status < 300 && body !== 'JSON');
  return unreadable || (status >= 300 && !rejected) ? UNAVAILABLE : REJECTED;
}

/** What TikTok gave with a refusal. `message` may hold the caption or addresses: it goes nowhere but into a cleaned detail. */
export type Said = {
  readonly code?: string | undefined;
  readonly logId?: string | undefined;
  readonly message?: string | undefined;
};

/** `meaning`, with the evidence for support and what only the call knows. */
export function refusal(meaning: PublishError, said: Said, scopes: readonly string[] = []): PublishError {
  const evidence = present({ tiktokCode: said.code, tiktokLogId: said.logId });
  switch (meaning.code) {
    case 'ACCOUNT_SCOPE_MISSING':
      return { ...meaning, scopes, ...evidence };
    case 'CONNECTOR_REQUEST_REJECTED':
      return { ...meaning, ...present({ detail: said.message && withoutSecrets(said.message) }), ...evidence };
    default:
      return { ...meaning, ...evidence };
  }
}

/** TikTok said yes and left out, or changed, what it documents. */
export const malformed = (answer: Answer, field: string): PublishError =>
  refusal(REJECTED, { logId: answer.logId, message: `TikTok's answer has no usable ${field}.` });

const LOOKS_SECRET = /\?.|(?<![a-z0-9])(?:act|rft|clt)\.|(?:token|secret|code)=/i;

/** At most 300 characters, without words that look like a token or an address with a query. */
export const withoutSecrets = (text: string): string =>
  text
    .slice(0, 2_000)
    .split(/\s+/)
    .map((word) => (LOOKS_SECRET.test(word) ? '[removed]' : word))
    .join(' ')
    .slice(0, 300);
