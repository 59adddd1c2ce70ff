import type { CallRate, Traffic } from '../../sandbox/traffic.ts';
import type { ApiFamily } from '../../src/domain/connection/connection.ts';

/** What TikTok allows, and the most that was seen of it. */
export type Limit = { readonly what: string; readonly allowed: number; readonly seen: number };

/** TikTok's limits as documented, whatever the sandbox was told to keep (open-api §8; business-api §9.3). */
const OPEN_ENDPOINT_A_MINUTE = 600;
const BUSINESS_APP_A_SECOND = 10;
const BUSINESS_APP_A_MINUTE = 600;
const BUSINESS_ACCOUNT_A_MINUTE = 40;

const most = (rates: readonly CallRate[], figure: 'mostInSecond' | 'mostInMinute'): number =>
  Math.max(0, ...rates.map((rate) => rate[figure]));

/** How near a family's calls came to each limit of TikTok's. `accounts` are lines of one account and one endpoint each. */
export function limitsOf(family: ApiFamily, traffic: Traffic): readonly Limit[] {
  const own = (lines: readonly (CallRate & { family: ApiFamily })[]) => lines.filter((line) => line.family === family);
  const [apps, endpoints, accounts] = [own(traffic.apps), own(traffic.endpoints), own(traffic.accounts)];
  if (family === 'OPEN') {
    return [
      { what: 'calls of an endpoint a minute', allowed: OPEN_ENDPOINT_A_MINUTE, seen: most(endpoints, 'mostInMinute') },
    ];
  }
  return [
    { what: 'calls of the app a second', allowed: BUSINESS_APP_A_SECOND, seen: most(apps, 'mostInSecond') },
    { what: 'calls of the app a minute', allowed: BUSINESS_APP_A_MINUTE, seen: most(apps, 'mostInMinute') },
    {
      what: 'calls of an account and endpoint a minute',
      allowed: BUSINESS_ACCOUNT_A_MINUTE,
      seen: most(accounts, 'mostInMinute'),
    },
  ];
}

/** Calls of all apps, because of their rate. */
export const refusedOf = ({ apps }: Traffic): number => apps.reduce((sum, { refused }) => sum + refused, 0);

/** What the sandbox saw wrong, in sentences: a limit that was passed, a call refused for its rate, or calls it no longer knows of. */
export function judgeLimits(family: ApiFamily, traffic: Traffic): readonly string[] {
  const refused = refusedOf(traffic);
  return [
    ...limitsOf(family, traffic)
      .filter(({ allowed, seen }) => seen > allowed)
      .map(({ what, allowed, seen }) => `${seen} ${what}, where TikTok allows ${allowed}`),
    ...(refused === 0 ? [] : [`${refused} calls were refused because of their rate`]),
    ...(traffic.forgotten === 0 ? [] : [`the sandbox has forgotten ${traffic.forgotten} calls`]),
  ];
}
