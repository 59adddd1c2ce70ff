import { Code, type ConnectError, type ContextKey, createContextKey, type Interceptor } from '@connectrpc/connect';
import type { Callers } from '../../application/ports/callers.ts';
import type { Clock } from '../../application/ports/clock.ts';
import type { Log } from '../../application/ports/log.ts';
import type { Metrics } from '../../application/ports/metrics.ts';
import {
  type Caller,
  type ClientCertificate,
  type Denial,
  type LoginRefusal,
  mayActIn,
  mayDo,
  type Workspaces,
} from '../../domain/caller.ts';
import type { WorkspaceId } from '../../domain/ids.ts';
import { type Answer, connectError } from './answer.ts';
import { type Resource, type Rule, ruleOf } from './policy.ts';
import { checkName } from './request-fields.ts';
import { toConnectError } from './to-connect-error.ts';

export type AdmissionNeeds = {
  readonly callers: Callers;
  /** Whose it is. Undefined when there is no such thing. */
  readonly workspaceOf: (resource: Resource, id: string) => Promise<WorkspaceId | undefined>;
  /** Told of every refusal, for whoever watches over the service. */
  readonly onRefused: Metrics['callerRefused'];
  readonly clock: Clock;
  readonly log: Log;
};

/** What the client proved while it connected. Undefined without TLS, and where no client certificate is asked for. */
export const clientCertificate: ContextKey<ClientCertificate | undefined> = createContextKey<
  ClientCertificate | undefined
>(undefined, { description: 'clientCertificate' });

/** Where the caller of this call may act. Nowhere, as long as nobody was let in. */
export const callersWorkspaces: ContextKey<Workspaces> = createContextKey<Workspaces>(new Set(), {
  description: 'callersWorkspaces',
});

/**
 * Lets in who may make this call, and keeps it to the caller's workspaces. An RPC without a rule is refused to everybody; one that is open
 * to anyone looks at no login.
 *
 * A stream is looked at again before each message it sends: a caller that was taken out of the file, or whose token or
 * certificate has expired, hears nothing more.
 */
export function admission(needs: AdmissionNeeds): Interceptor {
  const { callers, onRefused, clock, log } = needs;
  return (next) => async (request) => {
    const rpc = `${request.service.typeName}/${request.method.name}`;
    const decided = ruleOf(request.method);
    if (decided?.role === 'ANYONE') return next(request);
    const rule = decided;

    async function admit(): Promise<Caller> {
      const authorization = request.header.get('authorization');
      const certificate = request.contextValues.get(clientCertificate);
      const login = await callers.identify({
        ...(authorization === null ? {} : { authorization }),
        ...(certificate === undefined ? {} : { certificate }),
      });
      if (login.ok) return login.value;
      log.warn({ rpc, ...login.error }, 'a caller was not let in');
      onRefused(login.error.code);
      throw connectError(answerTo(login.error, clock.now()), clock.now());
    }

    function permit(caller: Caller): Rule {
      const denied = rule === undefined ? NO_RULE : denialOf(caller, rule);
      if (rule !== undefined && denied === undefined) return rule;
      const denial = denied ?? NO_RULE;
      log.warn({ rpc, caller: caller.name, code: denial.reason }, 'a caller was refused');
      onRefused(denial.reason);
      throw connectError(denial, clock.now());
    }

    const caller = await admit();
    const { tenancy } = permit(caller);
    const keep = <T>(message: T, { workspaces }: Caller) => keepTo(workspaces, message, tenancy, needs);
    request.contextValues.set(callersWorkspaces, caller.workspaces);
    if (!request.stream) return next({ ...request, message: await keep(request.message, caller) });

    let asked: unknown;
    const kept = mapped(request.message, async (message) => {
      asked = message;
      return keep(message, caller);
    });
    const response = await next({ ...request, message: kept });
    if (!response.stream) return response;
    const watched = mapped(response.message, async (message) => {
      const now = await admit();
      permit(now);
      await keep(asked, now);
      return message;
    });
    return { ...response, message: watched };
  };
}

/** By hand: to leave a for-await loop early would close the connection under an answer that is still to be sent. */
const mapped = <T>(messages: AsyncIterable<T>, change: (message: T) => Promise<T>): AsyncIterable<T> => ({
  [Symbol.asyncIterator]() {
    const source = messages[Symbol.asyncIterator]();
    return {
      async next() {
        const { done, value } = await source.next();
        return done === true ? { done, value } : { value: await change(value) };
      },
      return: async () => (await source.return?.()) ?? { done: true, value: undefined },
    };
  },
});

/**
 * The message with the workspace it may act in. Whose a foreign id is, and whether it exists, makes no difference to the
 * answer: it is looked for in a workspace of the caller's, and not found there.
 */
async function keepTo<T>(
  workspaces: Workspaces,
  message: T,
  tenancy: Rule['tenancy'],
  { workspaceOf, clock }: AdmissionNeeds,
): Promise<T> {
  if (workspaces === 'ALL' || tenancy.by === 'USE_CASE' || tenancy.by === 'NOTHING') return message;
  const foreign = (resource: Resource | 'workspace', id: string): ConnectError =>
    toConnectError({ code: 'NOT_FOUND', resource, id }, clock.now());

  if (tenancy.by === 'WORKSPACE') {
    const named = tenancy.workspaceOf(message);
    // An empty one is refused with whatever else is wrong with the request.
    if (!named || mayActIn(workspaces, named as WorkspaceId)) return message;
    throw foreign('workspace', named);
  }

  const { resource, id } = tenancy.namedBy(message);
  const { workspaceId: named } = message as { readonly workspaceId: string };
  if (named !== '') {
    if (mayActIn(workspaces, named as WorkspaceId)) return message;
    throw foreign(resource, id);
  }
  const [first, ...others] = workspaces;
  const usable = checkName(`${resource}_id`, id, '').length === 0;
  const owner = others.length > 0 && usable ? await workspaceOf(resource, id) : undefined;
  return { ...message, workspaceId: owner !== undefined && mayActIn(workspaces, owner) ? owner : first };
}

type Denied = Answer & { readonly reason: Denial };

function denialOf(caller: Caller, { role }: Rule): Denied | undefined {
  const { workspaces, roles } = caller;
  if (workspaces !== 'ALL' && workspaces.size === 0) {
    return {
      status: Code.PermissionDenied,
      reason: 'WORKSPACES_MISSING',
      message: 'Your login names no workspace to act in.',
      remedy: 'Ask the operator, or the issuer of your token, to name your workspaces.',
    };
  }
  if (mayDo(caller, role)) return undefined;
  return {
    status: Code.PermissionDenied,
    reason: 'ROLE_MISSING',
    message: `This call needs the role "${role}", and your login has ${[...roles].join(', ') || 'none'}.`,
    remedy: `Ask the operator, or the issuer of your token, for the role "${role}".`,
    metadata: { role },
  };
}

const NO_RULE: Denied = {
  status: Code.PermissionDenied,
  reason: 'RPC_WITHOUT_RULE',
  message: 'It is not decided who may make this call, so nobody may.',
  remedy: 'Report it to the operator of this service.',
};

/** How soon an issuer that did not answer is asked again. */
const ISSUER_SECONDS = 5;

function answerTo(refusal: LoginRefusal, now: Date): Answer {
  const reason = refusal.code;
  switch (refusal.code) {
    case 'CREDENTIALS_MISSING':
      return {
        status: Code.Unauthenticated,
        reason,
        message: 'This call does not say who makes it.',
        remedy: 'Send `authorization: Bearer` with your key or token.',
      };
    case 'CREDENTIALS_INVALID':
      return {
        status: Code.Unauthenticated,
        reason,
        message: 'Your key or token is not accepted here.',
        remedy: 'Check that it is whole, of an issuer this service trusts, and meant for this service.',
      };
    case 'CREDENTIALS_EXPIRED':
      return {
        status: Code.Unauthenticated,
        reason,
        message: 'Your token or certificate has expired.',
        remedy: 'Get a new one and call again.',
      };
    case 'CERTIFICATE_UNKNOWN':
      return {
        status: Code.PermissionDenied,
        reason,
        message: 'Your certificate is good, but no caller of this service has its subject.',
        remedy: 'Ask the operator to add the subject, or send `authorization: Bearer` with your key or token.',
        metadata: { subject: refusal.subject },
      };
    case 'CREDENTIALS_DISAGREE':
      return {
        status: Code.PermissionDenied,
        reason,
        message: 'Your certificate is of one caller and your key or token of another.',
        remedy: 'Send the key or token that belongs to the certificate, or none.',
      };
    case 'ISSUER_UNREACHABLE':
      return {
        status: Code.Unavailable,
        reason,
        message: 'The keys of the issuer of your token can not be read at the moment.',
        remedy: 'Repeat the call.',
        retryTime: new Date(now.getTime() + ISSUER_SECONDS * 1000),
      };
  }
}
