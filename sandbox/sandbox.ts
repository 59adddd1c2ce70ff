import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { prefix } from './business/endpoints.ts';
import { businessFamily } from './business/family.ts';
import { byAccount } from './by-account.ts';
import { movableClock, timeline } from './clock.ts';
import { type Control, controlOf } from './control.ts';
import { controlRoutes } from './control-routes.ts';
import type { Endpoint } from './endpoint.ts';
import { activeFaults } from './faults.ts';
import { heldCalls } from './holds.ts';
import { isLoopback } from './http.ts';
import { idsFrom } from './ids.ts';
import { type Check, type Checks, readPatch, refuse, text, whole } from './input.ts';
import { insightsOf } from './insights/told.ts';
import { publishLifecycle } from './lifecycle.ts';
import { openFamily } from './open/family.ts';
import { pullDownloads } from './pulls.ts';
import { slidingWindows } from './rate-limits.ts';
import { sandboxServer } from './server.ts';
import { appChecks, businessChecks, settingChecks } from './settings.ts';
import { type App, type BusinessApp, freshState, type Settings, type State } from './state.ts';
import { loadState, stateFile } from './state-file.ts';
import { webhookSender } from './webhooks.ts';
import type { World } from './world.ts';

/** Everything may be left out. What is given wins over what the state file says. */
export type SandboxOptions = Partial<App> &
  Partial<Settings> & {
    /** The app of the Business family; `urlProperties` also takes addresses, which then count as verified. */
    business?: BusinessAppPatch;
    /** 127.0.0.1 unless said. */
    host?: string;
    /** 0, unless said: any free port. */
    port?: number;
    /** Where others reach it, such as a proxy that speaks https: the addresses it gives begin so. Where it listens, unless said. */
    publicOrigin?: string;
    /** The same seed gives the same ids, tokens and chances. Random unless said. */
    seed?: string;
    /** Where accounts, app, tokens, posts and the ledger outlive the process. In memory only unless said. */
    stateFile?: string;
    /** Hears of failures behind nobody's call. Standard error unless said. */
    report?: (problem: string, error: unknown) => void;
  };

/** `example.com` or `https://example.com/videos/` stands for a property that is verified. */
export type BusinessAppPatch = Partial<Omit<BusinessApp, 'urlProperties'>> & {
  urlProperties?: readonly (string | BusinessApp['urlProperties'][number])[];
};

export type Sandbox = {
  readonly origin: string;
  readonly openApiUrl: string;
  readonly businessApiUrl: string;
  readonly authorizeUrl: string;
  readonly clientKey: string;
  readonly clientSecret: string;
  readonly businessAppId: string;
  readonly businessSecret: string;
  readonly seed: string;
  readonly control: Control;
  /** Breaks off calls that are under way and resolves when nothing is left running. */
  close(): Promise<void>;
};

type Place = { host: string; port: number; publicOrigin: string; seed: string; stateFile: string };

const originOnly: Check<string> = (value, field) =>
  typeof value === 'string' && /^https?:/.test(value) && URL.parse(value)?.origin === value
    ? value
    : refuse(field, value, 'must be an origin', 'Use one such as https://sandbox.example.com, without a path.');

const placeChecks: Checks<Place> = {
  host: text(1, 255),
  port: whole(0, 65_535),
  publicOrigin: originOnly,
  seed: text(1, 200),
  stateFile: text(1, 4_096),
};

/** Refuses what it doesn't know: a misspelt option would otherwise do nothing. */
function readOptions({ report: _, business, ...given }: SandboxOptions) {
  const app: Record<string, unknown> = {};
  const settings: Record<string, unknown> = {};
  const place: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(appChecks, name)) app[name] = value;
    else if (Object.hasOwn(settingChecks, name)) settings[name] = value;
    else place[name] = value;
  }
  return {
    app: readPatch(appChecks, app, 'options'),
    business: readPatch(businessChecks, business ?? {}, 'options.business'),
    settings: readPatch(settingChecks, settings, 'options'),
    place: readPatch(placeChecks, place, 'options'),
  };
}

/** Looks that are asked again after every change, at most once per turn of the event loop. */
function watchers() {
  const looks = new Set<() => boolean>();
  let scheduled = false;
  const lookAgain = () => {
    scheduled = false;
    for (const look of looks) if (look()) looks.delete(look);
  };
  return {
    watch(look: () => boolean) {
      if (!look()) looks.add(look);
      return () => void looks.delete(look);
    },
    notify() {
      if (scheduled || looks.size === 0) return;
      scheduled = true;
      setImmediate(lookAgain);
    },
  };
}

export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { app, business, settings, place } = readOptions(options);
  const { host = '127.0.0.1', port = 0, publicOrigin, seed, stateFile: path } = place;
  const start = { app, business, settings, ...(seed === undefined ? {} : { seed }) };
  const report = options.report ?? ((problem, error) => console.error(`TikTok sandbox: ${problem}`, error));

  const loaded = path === undefined ? undefined : await loadState(path);
  const state: State = loaded ?? freshState(start);
  Object.assign(state.app, app);
  Object.assign(state.business, business);
  Object.assign(state.settings, settings);
  if (loaded && seed !== undefined && seed !== loaded.seed) {
    refuse(
      'options.seed',
      seed,
      `must be the seed of the state file, ${loaded.seed}`,
      'Leave it out, or use a new file.',
    );
  }

  const file = path === undefined ? undefined : stateFile(path, () => state);
  await file?.save(); // a place that can't be written shows now, not at the first call
  const { watch, notify } = watchers();
  let unstored = false;
  let storing: Promise<void> = Promise.resolve();
  let origin = '';

  /** Whoever comes during a save that has his change in it waits for that one. */
  function stored(): Promise<void> {
    if (file && unstored) {
      unstored = false;
      storing = file.save().catch((error: unknown) => {
        unstored = true;
        throw error;
      });
    }
    return storing;
  }

  function changed(): void {
    notify();
    if (!file || unstored) return;
    unstored = true;
    // Calls store before they answer; this is for what changes behind nobody's call.
    setImmediate(() => stored().catch((error: unknown) => report('The state could not be stored.', error)));
  }

  const findAccount = (name: string) =>
    state.accounts.get(name) ?? state.accounts.values().find((account) => account.username === name);
  const resolveAccount = (name: string, field: string) =>
    findAccount(name)?.openId ?? refuse(field, name, 'must name an account', 'GET /_sandbox/accounts lists them.');

  const clock = movableClock(state);
  const time = timeline(clock);
  const holds = heldCalls();
  const stopping = new AbortController();
  let endpoints: readonly Endpoint[] = [];
  const faults = activeFaults(
    () => state.seed,
    resolveAccount,
    (name, code) => endpoints.find((endpoint) => endpoint.name === name)?.refuse(code) !== undefined,
  );
  const index = byAccount(state);
  const parts: Omit<World, 'webhooks'> = {
    state,
    byAccount: index,
    insights: insightsOf({ state, byAccount: index }),
    clock,
    timeline: time,
    ids: idsFrom(state),
    limits: slidingWindows(clock),
    faults,
    origin: () => origin,
    changed,
    report,
  };
  const world: World = { ...parts, webhooks: webhookSender(parts) };
  const lifecycle = publishLifecycle(world);
  const pulls = pullDownloads(world, lifecycle);
  const open = openFamily(world, { lifecycle, pulls }, findAccount);
  const accounts = businessFamily(world, { lifecycle, pulls });
  endpoints = [...open.endpoints, ...accounts.endpoints];

  async function stopFamilies(): Promise<void> {
    open.stop();
    accounts.stop();
    await pulls.close();
  }

  async function reset(): Promise<void> {
    holds.release(undefined, 'drop');
    faults.clear();
    time.clear();
    await stopFamilies();
    const { seed, serial } = state; // ids go on: what was issued before must not be issued to somebody else
    Object.assign(state, freshState({ ...start, seed }), { serial });
    world.byAccount.rebuild();
    world.limits.clear();
    changed();
  }

  const control = controlOf({
    world,
    families: { OPEN: open, BUSINESS: accounts },
    lifecycle,
    holds,
    findAccount,
    watch,
    reset,
  });
  const server = sandboxServer({
    world,
    endpoints,
    unknown: accounts.unknown,
    holds,
    control: controlRoutes(control, stored),
    stored,
    seen: notify,
    stopping: stopping.signal,
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  origin =
    publicOrigin ?? `http://${isLoopback(host) ? (host.includes(':') ? `[${host}]` : host) : shown}:${address.port}`;
  lifecycle.resume();
  pulls.resume();
  world.webhooks.resume();

  return {
    origin,
    openApiUrl: origin,
    businessApiUrl: `${origin}${prefix}`,
    authorizeUrl: `${origin}/v2/auth/authorize/`,
    clientKey: state.app.clientKey,
    clientSecret: state.app.clientSecret,
    businessAppId: state.business.appId,
    businessSecret: state.business.secret,
    seed: state.seed,
    control,
    async close() {
      stopping.abort(new Error('The sandbox is closing.'));
      holds.release(undefined, 'drop');
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      time.clear();
      await stopFamilies();
      await world.webhooks.close();
      unstored = true; // the latest calls, which changed nothing else
      await stored();
    },
  };
}
