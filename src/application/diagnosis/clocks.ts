import { type Diagnosis, fail, fine, warn } from './diagnosis.ts';

/** TikTok tells its time in whole seconds, and an answer may take some. */
const WARN_SECONDS = 5;
const FAIL_SECONDS = 120;

const HOST =
  'TLS certificates and the signatures of S3 are judged by it (S3 refuses us beyond 15 minutes), and logs are dated by it';
const DATABASE = 'posts are due by it, so they go out early or late by as much';

/** How far each clock is ahead of this host's, in milliseconds; negative: behind. Absent: it could not be asked. */
export function diagnoseClocks(ahead: { readonly database?: number; readonly tiktok?: number }): readonly Diagnosis[] {
  const { database, tiktok } = ahead;
  if (tiktok !== undefined) {
    const host = diagnoseClock("this host's clock", "TikTok's", -tiktok, HOST);
    return database === undefined
      ? [host]
      : [host, diagnoseClock("the database's clock", "TikTok's", database - tiktok, DATABASE)];
  }
  if (database !== undefined) return [diagnoseClock("the database's clock", "this host's", database, DATABASE)];
  return [
    warn(
      "neither the database's clock nor TikTok's could be read",
      'First do what the checks of the database and of TikTok say.',
    ),
  ];
}

function diagnoseClock(whose: string, reference: string, aheadMilliseconds: number, why: string): Diagnosis {
  const seconds = Math.round(Math.abs(aheadMilliseconds) / 1000);
  const seen = `${whose} is ${seconds} s ${aheadMilliseconds < 0 ? 'behind' : 'ahead of'} ${reference}`;
  if (seconds <= WARN_SECONDS) return fine(`${whose} agrees with ${reference} within ${WARN_SECONDS} s`);
  return (seconds > FAIL_SECONDS ? fail : warn)(
    `${seen}: ${why}`,
    'Let NTP set the clocks of this host and of the database.',
  );
}
