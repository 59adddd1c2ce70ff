import { businessCodes, isBusinessCode } from './business/vocabulary.ts';
import { type EndpointName, endpointNames, type Subject } from './endpoint.ts';
import { chance } from './ids.ts';
import {
  asObject,
  type Check,
  type Checks,
  flag,
  fraction,
  notFound,
  oneOf,
  readPatch,
  refuse,
  text,
  whole,
} from './input.ts';
import { errors, type FailReason, failReasons, oauthErrors } from './open/vocabulary.ts';
import type { Fate } from './state.ts';

/** Which calls a fault may hit. */
export type FaultAim = {
  endpoint: EndpointName;
  /** open_id or username. */
  account?: string;
  /** Uploads only: counted from 0. */
  chunk?: number | 'last';
  /** The token endpoint only. */
  grantType?: 'authorization_code' | 'refresh_token';
};

/** How many of those it hits: the next `times` (1 unless said), or each with a probability (then without end unless said). */
export type FaultDose = { times?: number; probability?: number };

export type CallFault =
  /** Breaks the connection: before any work, or after it. */
  | { kind: 'drop_before' | 'execute_then_drop' }
  | { kind: 'delay'; ms: number; when?: 'before' | 'after' }
  /** Waits for a release, `before` (unless said) or `after` the work. */
  | { kind: 'hold'; when?: 'before' | 'after' }
  /** Answers without doing the work. */
  | { kind: 'status'; status: number; body?: string; contentType?: string }
  | { kind: 'error'; code: string; message?: string }
  /** Uploads only: takes so many bytes of the chunk, then breaks the connection. They count, unless `keep` is false. */
  | { kind: 'short_read'; bytes: number; keep?: boolean };

/** Decided when the post is started, felt later. Without an endpoint: wherever a post begins. */
export type PostFault =
  | { kind: 'fail_reason'; reason: FailReason }
  /** Processing never ends. */
  | { kind: 'stuck' }
  /** The post gets so many post ids. */
  | { kind: 'several_ids'; count: number };

/** Where posts begin. */
const postEndpoints = ['video_init', 'inbox_init', 'business_publish'] as const;
export type PostEndpoint = (typeof postEndpoints)[number];

export type CallFaultSpec = FaultAim & FaultDose & CallFault;
export type PostFaultSpec = Omit<FaultAim, 'endpoint' | 'chunk' | 'grantType'> & {
  endpoint?: PostEndpoint;
} & FaultDose &
  PostFault;
export type FaultSpec = CallFaultSpec | PostFaultSpec;

/** `left` null: no end. */
export type Fault = FaultSpec & { readonly id: string; left: number | null; hits: number };
type ActiveCallFault = Extract<Fault, CallFault>;

export type Faults = {
  add(spec: FaultSpec): Fault;
  list(): Fault[];
  remove(id: string): void;
  clear(): void;
  /** The first fault that hits this call; it is spent by that. */
  forCall(endpoint: EndpointName, subject: Subject): ActiveCallFault | undefined;
  forPost(endpoint: PostEndpoint, account: string): Fate;
};

const knownError: Check<string> = (value, field) =>
  typeof value === 'string' &&
  (Object.hasOwn(errors, value) || Object.hasOwn(oauthErrors, value) || isBusinessCode(value))
    ? value
    : refuse(
        field,
        value,
        'must be a documented error code',
        `One of ${Object.keys({ ...errors, ...oauthErrors, ...businessCodes }).join(', ')}.`,
      );

const chunkAim: Check<number | 'last'> = (value, field) => (value === 'last' ? 'last' : whole(0, 999)(value, field));

const dose: Checks<FaultDose> = { times: whole(1, 1_000_000), probability: fraction };
const when = oneOf('before', 'after');
const callKinds: { [K in CallFault['kind']]: Checks<Omit<Extract<CallFault, { kind: K }>, 'kind'>> } = {
  drop_before: {},
  execute_then_drop: {},
  delay: { ms: whole(0, 3_600_000), when },
  hold: { when },
  status: { status: whole(200, 599), body: text(0, 1_000_000), contentType: text(1, 200) },
  error: { code: knownError, message: text(0, 1_000) },
  short_read: { bytes: whole(0, 128_000_000), keep: flag },
};
const postKinds: { [K in PostFault['kind']]: Checks<Omit<Extract<PostFault, { kind: K }>, 'kind'>> } = {
  fail_reason: { reason: oneOf(...failReasons) },
  stuck: {},
  several_ids: { count: whole(1, 20) },
};
const needed: Record<string, readonly string[]> = {
  delay: ['ms'],
  status: ['status'],
  error: ['code'],
  short_read: ['bytes'],
  fail_reason: ['reason'],
  several_ids: ['count'],
};

export function readFaultSpec(value: unknown, resolveAccount: (name: string, field: string) => string): FaultSpec {
  const input = asObject(value, 'fault');
  const kind = oneOf(
    ...(Object.keys({ ...callKinds, ...postKinds }) as (keyof typeof callKinds | keyof typeof postKinds)[]),
  )(input['kind'], 'fault.kind');
  const account: Check<string> = (name, field) => resolveAccount(text(1, 200)(name, field), field);
  const isPostKind = (candidate: string): candidate is PostFault['kind'] => Object.hasOwn(postKinds, candidate);
  const aim: Record<string, Check<unknown>> = isPostKind(kind)
    ? { endpoint: oneOf(...postEndpoints), account }
    : {
        endpoint: oneOf(...endpointNames),
        account,
        chunk: chunkAim,
        grantType: oneOf('authorization_code', 'refresh_token'),
      };
  const own = isPostKind(kind) ? postKinds[kind] : callKinds[kind];
  const spec = readPatch(
    { kind: oneOf(kind), ...aim, ...dose, ...own } as Checks<Record<string, unknown>>,
    input,
    'fault',
  );
  for (const name of [...(isPostKind(kind) ? [] : ['endpoint']), ...(needed[kind] ?? [])]) {
    if (spec[name] === undefined) refuse(`fault.${name}`, undefined, `is needed for ${kind}`, 'Add it.');
  }
  const onlyFor = (field: string, endpoint: EndpointName, seen: unknown) => {
    if (seen !== undefined && spec['endpoint'] !== endpoint)
      refuse(field, seen, `works with endpoint ${endpoint} only`, `Aim at ${endpoint}, or leave it out.`);
  };
  onlyFor('fault.chunk', 'upload', spec['chunk']);
  onlyFor('fault.grantType', 'token', spec['grantType']);
  onlyFor('fault.kind', 'upload', kind === 'short_read' ? kind : undefined);
  return spec as FaultSpec;
}

/** Which error codes an endpoint can answer is known to the endpoint; `answers` asks it. */
export function activeFaults(
  seed: () => string,
  resolveAccount: (name: string, field: string) => string,
  answers: (endpoint: EndpointName, code: string) => boolean,
): Faults {
  let serial = 0;
  const active = new Map<string, Fault & { rolls: number }>();

  function strikes(fault: Fault & { rolls: number }): boolean {
    fault.rolls += 1;
    if (fault.probability !== undefined && chance(seed(), fault.id, fault.rolls) >= fault.probability) return false;
    fault.hits += 1;
    if (fault.left !== null) fault.left -= 1;
    if (fault.left === 0) active.delete(fault.id);
    return true;
  }

  const isForPosts = (fault: Fault): fault is Extract<Fault, PostFault> => Object.hasOwn(postKinds, fault.kind);

  function aimsAt(fault: ActiveCallFault, endpoint: EndpointName, subject: Subject): boolean {
    if (fault.endpoint !== endpoint) return false;
    if (fault.account !== undefined && fault.account !== subject.account) return false;
    if (fault.grantType !== undefined && fault.grantType !== subject.grantType) return false;
    if (fault.chunk === undefined) return true;
    return fault.chunk === 'last' ? subject.lastChunk === true : fault.chunk === subject.chunk;
  }

  return {
    add(input) {
      const spec = readFaultSpec(input, resolveAccount);
      if (spec.kind === 'error' && !answers(spec.endpoint, spec.code)) {
        refuse(
          'fault.code',
          spec.code,
          `must be a code that ${spec.endpoint} answers with`,
          'Use kind "status" for others.',
        );
      }
      serial += 1;
      const left = spec.times ?? (spec.probability === undefined ? 1 : null);
      const fault = { ...spec, id: `fault-${serial}`, left, hits: 0, rolls: 0 };
      active.set(fault.id, fault);
      return described(fault);
    },
    list: () => [...active.values()].map(described),
    remove(id) {
      if (!active.delete(id)) notFound('fault', id, 'GET /_sandbox/faults lists those that are active.');
    },
    clear: () => active.clear(),
    forCall(endpoint, subject) {
      for (const fault of active.values()) {
        if (!isForPosts(fault) && aimsAt(fault, endpoint, subject) && strikes(fault)) return fault;
      }
      return undefined;
    },
    forPost(endpoint, account) {
      const fate: Fate = { failReason: null, stuck: false, postCount: 1 };
      for (const fault of active.values()) {
        if (!isForPosts(fault) || (fault.endpoint ?? endpoint) !== endpoint) continue;
        if (fault.account !== undefined && fault.account !== account) continue;
        if (!strikes(fault)) continue;
        if (fault.kind === 'fail_reason') fate.failReason = fault.reason;
        else if (fault.kind === 'stuck') fate.stuck = true;
        else fate.postCount = fault.count;
      }
      return fate;
    },
  };
}

function described({ rolls: _, ...fault }: Fault & { rolls: number }): Fault {
  return fault;
}
