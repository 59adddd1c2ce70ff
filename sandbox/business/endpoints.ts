import type { Endpoint, EndpointName } from '../endpoint.ts';
import { type Call, mediaType, parseJson } from '../http.ts';
import type { Account, Grant } from '../state.ts';
import type { Tokens } from '../tokens.ts';
import type { World } from '../world.ts';
import { approve, type Checked, deny, invalid, missing, type Refusal, refused, valid } from './answers.ts';
import { businessIdOf } from './business-id.ts';
import type { Limits } from './limits.ts';
import { type BusinessScope, isBusinessCode } from './vocabulary.ts';

export const prefix = '/open_api/v1.3';

/** The body of a POST, or the query of a GET, whose arrays and objects are JSON literals. */
export type Parameters = Readonly<Record<string, unknown>>;
export type Outcome = { ok: true; data: object } | Refusal;
export type Visit = { account: Account; grant: Grant; parameters: Parameters };

type Common = { readonly name: EndpointName; readonly method: 'GET' | 'POST'; readonly path: string };

export type AccountEndpoint = Common & {
  /** Without all of them the call is refused. Further ones depend on its parameters. */
  readonly scopes: readonly BusinessScope[];
  handle(visit: Visit): Outcome;
};

export type AppEndpoint = Common & {
  /** The account that the call is about, as far as can be told. */
  account?(parameters: Parameters): string | undefined;
  handle(parameters: Parameters): Outcome | Promise<Outcome>;
};

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readParameters(call: Call): Checked<Parameters> {
  if (call.request.method === 'GET') return valid(Object.fromEntries(call.url.searchParams));
  if (mediaType(call.request) !== 'application/json') return invalid('Content-Type', 'must be application/json.');
  const parsed = parseJson(call.text);
  return parsed.ok && isObject(parsed.value) ? valid(parsed.value) : invalid('body', 'Not a valid JSON object.');
}

const parametersOf = (call: Call): Parameters => {
  const read = readParameters(call);
  return read.ok ? read.value : {};
};

/** The value of a parameter of a GET that is a JSON literal. */
export function literal(parameters: Parameters, field: string): Checked<unknown> {
  const text = parameters[field];
  if (text === undefined) return valid(undefined);
  const parsed = parseJson(String(text));
  return parsed.ok ? valid(parsed.value) : invalid(field, 'Not a valid JSON literal.');
}

export function requiredText(parameters: Parameters, field: string): Checked<string> {
  const value = parameters[field];
  if (value === undefined || value === null || value === '') return missing(field);
  return typeof value === 'string' ? valid(value) : invalid(field, 'Not a valid string.');
}

const accessToken = (call: Call): string => {
  const header = call.request.headers['access-token'];
  return typeof header === 'string' ? header : '';
};

const common = (world: World, { name, method, path }: Common): Omit<Endpoint, 'subject' | 'handle'> => ({
  name,
  methods: [method],
  path: `${prefix}${path}`,
  body: 'text',
  refuse: (code, message) =>
    isBusinessCode(code)
      ? deny(world, { code: Number(code) as never, ...(message === undefined ? {} : { message }) })
      : undefined,
  wrongMethod: () => deny(world, { code: 40117 }),
});

const answered = (world: World, outcome: Outcome) => (outcome.ok ? approve(world, outcome.data) : deny(world, outcome));

/** Called with an account's token. In this order: token, account, scope, rate, parameters. */
export function accountEndpoint(world: World, tokens: Tokens, limits: Limits, endpoint: AccountEndpoint): Endpoint {
  function visit(call: Call): Outcome {
    const token = accessToken(call);
    if (token === '') return refused(40104);
    const access = tokens.live(token);
    if (access === 'EXPIRED') return refused(40102);
    const account = access === 'DEAD' ? undefined : world.state.accounts.get(access.grant.openId);
    if (access === 'DEAD' || !account) return refused(40105);
    access.token.uses += 1;
    const parameters = readParameters(call);
    if (!parameters.ok) return parameters;
    const businessId = requiredText(parameters.value, 'business_id');
    if (!businessId.ok) return businessId;
    if (businessId.value !== businessIdOf(account.openId)) return refused(40105);
    if (!endpoint.scopes.every((scope) => access.grant.scopes.includes(scope))) return refused(40001);
    if (!limits.admit(endpoint.name, account.openId)) return refused(40100);
    return endpoint.handle({ account, grant: access.grant, parameters: parameters.value });
  }

  return {
    ...common(world, endpoint),
    subject(call) {
      const account = tokens.owner(accessToken(call));
      const publishId = parametersOf(call)['publish_id'];
      return { ...(account ? { account } : {}), ...(typeof publishId === 'string' ? { publishId } : {}) };
    },
    handle: (call) => answered(world, visit(call)),
  };
}

/** Called with the app's own credentials among its parameters. */
export const appEndpoint = (world: World, endpoint: AppEndpoint): Endpoint => ({
  ...common(world, endpoint),
  subject(call) {
    const account = endpoint.account?.(parametersOf(call));
    return account === undefined ? {} : { account };
  },
  async handle(call) {
    const parameters = readParameters(call);
    return answered(world, parameters.ok ? await endpoint.handle(parameters.value) : parameters);
  },
});

/** The two names that TikTok has for an app's credentials. Undefined when they are right. */
export function checkApp(
  { state }: World,
  parameters: Parameters,
  [idField, secretField]: readonly [string, string],
): Refusal | undefined {
  const id = requiredText(parameters, idField);
  if (!id.ok) return id;
  const secret = requiredText(parameters, secretField);
  if (!secret.ok) return secret;
  if (id.value !== state.business.appId) return refused(40113);
  return secret.value === state.business.secret ? undefined : refused(40101);
}
