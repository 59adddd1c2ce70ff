import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoint, Subject } from './endpoint.ts';
import type { CallFault, Fault } from './faults.ts';
import type { Holds } from './holds.ts';
import { type Answer, type Call, drain, plain, readText } from './http.ts';
import { recordCall } from './ledger.ts';
import type { World } from './world.ts';

const longestBody = 1_000_000;
const controlPrefix = '/_sandbox/';

type Parts = {
  world: World;
  endpoints: readonly Endpoint[];
  holds: Holds;
  /** The answer of a family to a path of its own that it does not serve. */
  unknown: (url: URL) => Answer | undefined;
  control: (request: IncomingMessage, url: URL) => Promise<Answer>;
  /** Resolves when all changes so far are stored. */
  stored: () => Promise<void>;
  /** Called when the ledger has a new call. */
  seen: () => void;
  stopping: AbortSignal;
};

type ActiveFault = Extract<Fault, CallFault>;

const dropped: Answer = { status: 0, body: '', drop: true };

function send(response: ServerResponse, answer: Answer): void {
  if (answer.drop) {
    response.socket?.resetAndDestroy();
    return;
  }
  response.writeHead(answer.status, { ...answer.headers, 'content-length': Buffer.byteLength(answer.body) });
  response.end(answer.body);
}

/** The one server: finds the endpoint, lets faults have their way, records the call, stores, answers. */
export function sandboxServer({ world, endpoints, unknown, holds, control, stored, seen, stopping }: Parts): Server {
  const { state, clock, faults } = world;
  const routes = new Map(endpoints.map((endpoint) => [endpoint.path, endpoint]));

  const faultName = (fault: ActiveFault | undefined) => fault?.kind ?? null;

  function injected(endpoint: Endpoint, fault: ActiveFault | undefined): Answer | undefined {
    if (fault?.kind === 'drop_before') return dropped;
    if (fault?.kind === 'status') {
      const contentType = fault.contentType ?? 'text/html; charset=utf-8';
      return { status: fault.status, headers: { 'content-type': contentType }, body: fault.body ?? '' };
    }
    return fault?.kind === 'error' ? endpoint.refuse(fault.code, fault.message) : undefined;
  }

  async function pause(endpoint: Endpoint, subject: Subject, fault: ActiveFault | undefined, now: 'before' | 'after') {
    if (fault?.kind !== 'delay' && fault?.kind !== 'hold') return 'answer';
    if ((fault.when ?? 'before') !== now) return 'answer';
    if (fault.kind === 'hold') {
      const { name } = endpoint;
      return holds.wait({ faultId: fault.id, endpoint: name, account: subject.account ?? null, when: now });
    }
    await delay(fault.ms, undefined, { signal: stopping });
    return 'answer';
  }

  async function serve(endpoint: Endpoint, call: Call): Promise<Answer> {
    const subject = endpoint.subject(call);
    const fault = faults.forCall(endpoint.name, subject);

    const record = (answer: Answer) => {
      recordCall(state, {
        time: clock.now(),
        endpoint: endpoint.name,
        account: subject.account ?? null,
        publishId: subject.publishId ?? null,
        status: answer.drop ? null : answer.status,
        errorCode: answer.errorCode ?? null,
        fault: faultName(fault),
        range: endpoint.body === 'stream' ? (call.request.headers['content-range'] ?? null) : null,
      });
      seen();
    };

    if ((await pause(endpoint, subject, fault, 'before')) === 'drop') {
      record(dropped);
      return dropped;
    }
    const instead = injected(endpoint, fault);
    if (instead) {
      record(instead);
      if (endpoint.body === 'stream' && !instead.drop) await drain(call.request);
      return instead;
    }
    const shortRead = fault?.kind === 'short_read' ? { bytes: fault.bytes, keep: fault.keep ?? true } : undefined;
    const answer = await endpoint.handle(call, shortRead);
    record(fault?.kind === 'execute_then_drop' ? { ...answer, drop: true } : answer);
    await stored();
    if (fault?.kind === 'execute_then_drop') return dropped;
    return (await pause(endpoint, subject, fault, 'after')) === 'drop' ? dropped : answer;
  }

  async function handle(request: IncomingMessage): Promise<Answer> {
    const url = URL.parse(request.url ?? '', world.origin());
    if (!url) return plain(400, 'The request target is no URL.\n');
    if (url.pathname.startsWith(controlPrefix)) return control(request, url);
    const endpoint = routes.get(url.pathname);
    if (!endpoint) return unknown(url) ?? plain(404, 'There is nothing here. All paths of TikTok end with a slash.\n');
    if (!endpoint.methods.includes(request.method ?? '')) {
      const own = endpoint.wrongMethod?.();
      if (own !== undefined) return own;
      const refusal = plain(405, `Use ${endpoint.methods.join(' or ')}.\n`);
      return { ...refusal, headers: { ...refusal.headers, allow: endpoint.methods.join(', ') } };
    }
    if (endpoint.body === 'stream') return serve(endpoint, { request, url, text: '' });
    const text = await readText(request, longestBody);
    if (text === undefined) return plain(413, `The body is longer than ${longestBody} bytes.\n`);
    return serve(endpoint, { request, url, text });
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      send(response, await handle(request));
    } catch (error) {
      if (request.destroyed && !request.complete) return; // the caller went away
      if (stopping.aborted) return send(response, dropped);
      world.report(`${request.method} ${request.url} could not be answered.`, error);
      send(response, plain(500, 'The sandbox itself is broken here; its log says how.\n'));
    }
  }

  const server = createServer((request, response) => void answer(request, response));
  server.requestTimeout = 0; // an upload may take its hour
  server.keepAliveTimeout = 60_000;
  return server;
}
