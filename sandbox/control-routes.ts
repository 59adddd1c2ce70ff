import type { IncomingMessage } from 'node:http';
import { businessScopes } from './business/vocabulary.ts';
import type { AccountQuestion, Control } from './control.ts';
import { endpointNames } from './endpoint.ts';
import type { FaultSpec } from './faults.ts';
import type { HoldMatch } from './holds.ts';
import { type Answer, json, mediaType, parseJson, readText } from './http.ts';
import { asObject, flag, listOf, notFound, oneOf, Refused, readPatch, refuse, text, whole } from './input.ts';
import { removalReasons, scopes } from './open/vocabulary.ts';
import type { Crowd } from './seeding.ts';

const longestBody = 1_000_000;
const longestWaitMs = 60_000;

/** Names in braces of a path, in their order, are `parts`. */
type Visit = { parts: string[]; body: unknown; query: URLSearchParams };
type Route = [method: string, path: RegExp, serve: (visit: Visit) => unknown];

/** `:name` stands for one part of the path. */
const at = (path: string) => new RegExp(`^/_sandbox/${path.replaceAll(/:\w+/g, '([^/]+)')}$`);
const first = ({ parts }: Visit) => parts[0] ?? '';
const name = text(1, 200);
const family = oneOf('OPEN', 'BUSINESS');

async function firstHold(control: Control, query: URLSearchParams): Promise<unknown> {
  const wait = query.get('wait_ms');
  if (wait === null) return control.holds();
  const limit = whole(1, longestWaitMs)(Number(wait), 'wait_ms');
  const match: HoldMatch = {};
  const endpoint = query.get('endpoint');
  const faultId = query.get('faultId');
  if (endpoint !== null) match.endpoint = oneOf(...endpointNames)(endpoint, 'endpoint');
  if (faultId !== null) match.faultId = faultId;
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, limit);
  await Promise.race([control.waitForHold(match), late]);
  clearTimeout(timer);
  return control.holds();
}

/** `?at=&family=…`, of which the control checks the rest. */
function question(query: URLSearchParams): AccountQuestion {
  const { at: time, ...asked } = Object.fromEntries(query);
  return { ...asked, ...(time === undefined ? {} : { at: Number(time) }) };
}

function routesOf(control: Control): Route[] {
  return [
    ['GET', at('app'), () => control.app()],
    ['PATCH', at('app'), ({ body }) => control.changeApp(asObject(body, 'app'))],
    ['GET', at('business-app'), () => control.businessApp()],
    ['PATCH', at('business-app'), ({ body }) => control.changeBusinessApp(asObject(body, 'business'))],
    ['GET', at('settings'), () => control.settings()],
    ['PATCH', at('settings'), ({ body }) => control.changeSettings(asObject(body, 'settings'))],
    ['GET', at('accounts'), () => control.accounts()],
    [
      'POST',
      at('accounts'),
      ({ body }) => {
        const account = asObject(body, 'account');
        return control.addAccount({ ...account, username: name(account['username'], 'account.username') });
      },
    ],
    ['PATCH', at('accounts/:account'), (visit) => control.changeAccount(first(visit), asObject(visit.body, 'account'))],
    [
      'POST',
      at('accounts/:account/revoke'),
      (visit) => {
        const checks = { reason: oneOf(...removalReasons), family };
        const { reason, family: named } = readPatch(checks, visit.body ?? {}, 'revoke');
        control.disconnectAccount(first(visit), reason, named);
      },
    ],
    [
      'POST',
      at('accounts/:account/tokens'),
      (visit) => {
        const body = asObject(visit.body ?? {}, 'tokens');
        if (family(body['family'] ?? 'OPEN', 'tokens.family') === 'OPEN') {
          const checks = { family, scopes: listOf(oneOf(...scopes), scopes.length) };
          return control.issueTokens(first(visit), readPatch(checks, body, 'tokens').scopes);
        }
        const checks = { family, scopes: listOf(oneOf(...businessScopes), businessScopes.length) };
        return control.issueBusinessTokens(first(visit), readPatch(checks, body, 'tokens').scopes);
      },
    ],
    ['GET', at('faults'), () => control.faults()],
    // `addFault` checks every property itself.
    ['POST', at('faults'), ({ body }) => control.addFault(asObject(body, 'fault') as FaultSpec)],
    ['DELETE', at('faults'), () => control.clearFaults()],
    ['DELETE', at('faults/:fault'), (visit) => control.removeFault(first(visit))],
    ['GET', at('holds'), ({ query }) => firstHold(control, query)],
    [
      'POST',
      at('holds/release'),
      ({ body }) => {
        const checks = { hold: name, how: oneOf('answer', 'drop') };
        const { hold, how } = readPatch(checks, body ?? {}, 'release');
        return { released: control.release(hold, how) };
      },
    ],
    ['GET', at('clock'), () => ({ now: control.now() })],
    [
      'POST',
      at('clock'),
      ({ body }) => {
        const { advanceMs } = readPatch({ advanceMs: whole(0, Number.MAX_SAFE_INTEGER) }, body, 'clock');
        return { now: control.advanceClock(advanceMs ?? refuse('clock.advanceMs', undefined, 'is needed', 'Add it.')) };
      },
    ],
    ['GET', at('ledger'), () => control.ledger()],
    [
      'GET',
      at('traffic'),
      ({ query }) => {
        const since = query.get('since');
        return control.traffic(since === null ? undefined : Number(since));
      },
    ],
    ['POST', at('publishes/:publish/expire-upload-url'), (visit) => control.expireUploadUrl(first(visit))],
    ['POST', at('publishes/:publish/finish-processing'), (visit) => control.finishProcessing(first(visit))],
    [
      'POST',
      at('drafts/:publish/finish'),
      (visit) => control.finishDraft(first(visit), asObject(visit.body ?? {}, 'draft')),
    ],
    [
      'PATCH',
      at('videos/:post'),
      (visit) => {
        const { public: isPublic, model, ...counts } = asObject(visit.body, 'video');
        if (Object.keys(counts).length > 0) control.changeVideoCounts(first(visit), counts);
        const changed = control.changeVideoModel(first(visit), asObject(model ?? {}, 'video.model'));
        if (isPublic === undefined) return changed;
        control.setVideoPublic(first(visit), flag(isPublic, 'video.public'));
        return { ...changed, public: isPublic };
      },
    ],
    ['DELETE', at('videos/:post'), (visit) => control.deleteVideo(first(visit))],
    ['GET', at('videos/:post/insights'), (visit) => control.insights(first(visit), question(visit.query))],
    ['GET', at('accounts/:account/insights'), (visit) => control.accountInsights(first(visit), question(visit.query))],
    ['GET', at('accounts/:account/videos'), (visit) => control.videos(first(visit))],
    [
      'POST',
      at('accounts/:account/videos'),
      (visit) =>
        Array.isArray(visit.body)
          ? control.addVideos(first(visit), visit.body)
          : control.addVideo(first(visit), asObject(visit.body ?? {}, 'video')),
    ],
    ['POST', at('crowd'), ({ body }) => control.addCrowd(asObject(body, 'crowd') as Crowd)],
    [
      'POST',
      at('webhooks/:webhook/deliver'),
      async (visit) => ({ status: await control.deliverWebhook(first(visit)) }),
    ],
    ['POST', at('reset'), () => control.reset()],
  ];
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const content = await readText(request, longestBody);
  if (content === undefined) return refuse('body', '…', `must be at most ${longestBody} bytes`, 'Send less.');
  if (content === '') return undefined;
  // A web page can't send this type to another origin without being allowed to.
  if (mediaType(request) !== 'application/json') {
    return refuse('content-type', mediaType(request), 'must be application/json', 'Set the header.');
  }
  const parsed = parseJson(content);
  return parsed.ok ? parsed.value : refuse('body', content, 'must be JSON', 'Mind quotes and commas.');
}

/** `/_sandbox/…`. An answer means that the change is stored. */
export function controlRoutes(control: Control, stored: () => Promise<void>) {
  const routes = routesOf(control);

  async function serve(request: IncomingMessage, url: URL): Promise<unknown> {
    const body = await readBody(request);
    const here = routes.filter(([, path]) => path.test(url.pathname));
    const route = here.find(([method]) => method === request.method);
    if (!route) {
      const methods = here.map(([method]) => method).join(', ');
      const remedy = methods ? `This path takes ${methods}.` : 'sandbox/README.md lists the paths.';
      return notFound('path', `${request.method} ${url.pathname}`, remedy);
    }
    const [, path, handler] = route;
    const parts = (path.exec(url.pathname) ?? []).slice(1).map(decodeURIComponent);
    const result = await handler({ parts, body, query: url.searchParams });
    await stored();
    return result;
  }

  return async (request: IncomingMessage, url: URL): Promise<Answer> => {
    try {
      return json(200, (await serve(request, url)) ?? {});
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { message, field, seen = null, limit, remedy } = error;
      return json(error.status, { error: { message, field, seen, limit, remedy } });
    }
  };
}
