import { type Diagnosis, fail, fine, warn } from './diagnosis.ts';

const DAY = 86_400_000;
const SOON_DAYS = 14;

/** Expiry of a certificate. One that lives for days only is left alone until two thirds of its life are over. */
export function diagnoseCertificate(
  { name, from, until }: { readonly name: string; readonly from: Date; readonly until: Date },
  now: Date,
): Diagnosis {
  const left = until.getTime() - now.getTime();
  const remedy = 'Renew it: the files are read again by themselves within half a minute.';
  const end = `${name} ${left < 0 ? 'expired' : 'expires'} at ${until.toISOString()}`;
  if (left < 0) return fail(`${end}: callers refuse to connect`, remedy);
  if (from > now)
    return fail(
      `${name} is valid from ${from.toISOString()} on only`,
      'Set the clock, or use a certificate that is valid now.',
    );
  const soon = Math.min(SOON_DAYS * DAY, (until.getTime() - from.getTime()) / 3);
  return left < soon ? warn(end, remedy) : fine(end);
}

/** A file that only we should read: `mode` as `stat` gives it. */
export const diagnoseMode = (name: string, mode: number): Diagnosis | undefined =>
  (mode & 0o007) === 0
    ? undefined
    : warn(
        `${name} can be ${(mode & 0o002) === 0 ? 'read' : 'changed'} by every account of this host (mode ${(mode & 0o777).toString(8)})`,
        'Give it to our account alone (chmod 600; defaultMode: 0400 for a mounted secret).',
      );
