/**
 * To be preloaded into a process: its wall clock is wrong by `CLOCK_SKEW_SECONDS`, as on a host whose clock was set wrong. The
 * monotonic clock (`performance.now`, timers) goes on as it was: no host sets that one.
 */
const milliseconds = Number(process.env['CLOCK_SKEW_SECONDS']) * 1000;
if (!Number.isFinite(milliseconds) || milliseconds === 0) throw new Error('CLOCK_SKEW_SECONDS: how wrong, in seconds');

const RealDate = Date;
const now = (): number => RealDate.now() + milliseconds;

const SkewedDate = new Proxy(RealDate, {
  construct: (target, given, newTarget) => Reflect.construct(target, given.length === 0 ? [now()] : given, newTarget),
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
});
RealDate.prototype.constructor = SkewedDate;
globalThis.Date = SkewedDate;
