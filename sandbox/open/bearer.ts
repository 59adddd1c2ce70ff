import type { Endpoint, EndpointName } from '../endpoint.ts';
import { type Call, mediaType, parseJson } from '../http.ts';
import type { AccessToken, Account, Grant } from '../state.ts';
import type { Tokens } from '../tokens.ts';
import type { World } from '../world.ts';
import {
  type Checked,
  envelope,
  errorEnvelope,
  invalid,
  isErrorCode,
  type Refusal,
  refused,
  valid,
} from './answers.ts';
import type { Scope } from './vocabulary.ts';

export type Visit = { call: Call; account: Account; grant: Grant; token: AccessToken; body: Record<string, unknown> };

/** `data` undefined: the answer has no such key. */
export type Outcome = { ok: true; data: object | undefined } | Refusal;

export type BearerEndpoint = {
  readonly name: EndpointName;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** One of these is enough. */
  readonly scopes: (call: Call) => readonly Scope[];
  readonly limit: { key(token: AccessToken): string; perMinute(): number } | undefined;
  /** An empty body stands for `{}`. */
  readonly bodyOptional?: true;
  /** Where the documents give a code another status than elsewhere. */
  readonly statusOf?: Readonly<Record<string, number>>;
  handle(visit: Visit): Outcome;
};

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function bearerToken(call: Call): string {
  return /^Bearer (\S+)$/i.exec(call.request.headers.authorization ?? '')?.[1] ?? '';
}

function readBody(call: Call, optional: boolean): Checked<Record<string, unknown>> {
  if (call.request.method === 'GET') return valid({});
  const charset = /charset="?([^";\s]+)/i.exec(call.request.headers['content-type'] ?? '')?.[1] ?? 'utf-8';
  if (mediaType(call.request) !== 'application/json' || charset.toLowerCase() !== 'utf-8') {
    return invalid('The Content-Type must be application/json; charset=UTF-8');
  }
  if (call.text === '' && optional) return valid({});
  const parsed = parseJson(call.text);
  return parsed.ok && isObject(parsed.value) ? valid(parsed.value) : invalid('The request body is not a JSON object');
}

/** Puts the checks in their order: 401 token, 401 scope, 429, then the endpoint's own 400 and 403. */
export function bearerEndpoint(world: World, tokens: Tokens, endpoint: BearerEndpoint): Endpoint {
  function visit(call: Call): Outcome {
    const access = tokens.live(bearerToken(call));
    if (typeof access === 'string') return refused('access_token_invalid');
    const account = world.state.accounts.get(access.grant.openId);
    if (!account) return refused('access_token_invalid');
    access.token.uses += 1;
    const needed = endpoint.scopes(call);
    if (!needed.some((scope) => access.grant.scopes.includes(scope))) return refused('scope_not_authorized');
    const { limit } = endpoint;
    if (limit && !world.limits.admit(`${endpoint.name} ${limit.key(access.token)}`, limit.perMinute())) {
      return refused('rate_limit_exceeded');
    }
    const body = readBody(call, endpoint.bodyOptional === true);
    if (!body.ok) return body;
    return endpoint.handle({ call, account, ...access, body: body.value });
  }

  function deny({ code, message, status }: Omit<Refusal, 'ok'>) {
    const found = status ?? endpoint.statusOf?.[code];
    return errorEnvelope(world, {
      code,
      ...(message === undefined ? {} : { message }),
      ...(found === undefined ? {} : { status: found }),
    });
  }

  return {
    name: endpoint.name,
    methods: [endpoint.method],
    path: endpoint.path,
    body: 'text',
    subject(call) {
      const account = tokens.owner(bearerToken(call));
      const parsed = parseJson(call.text);
      const publishId = parsed.ok && isObject(parsed.value) ? parsed.value['publish_id'] : undefined;
      return { ...(account ? { account } : {}), ...(typeof publishId === 'string' ? { publishId } : {}) };
    },
    handle(call) {
      const outcome = visit(call);
      return outcome.ok ? envelope(world, outcome.data) : deny(outcome);
    },
    refuse: (code, message) =>
      isErrorCode(code) ? deny({ code, ...(message === undefined ? {} : { message }) }) : undefined,
  };
}

export const perToken = (perMinute: () => number): NonNullable<BearerEndpoint['limit']> => ({
  key: (token) => token.token,
  perMinute,
});

export const perApp = (perMinute: () => number): NonNullable<BearerEndpoint['limit']> => ({
  key: () => 'app',
  perMinute,
});
