import type { Clock } from '../../../application/ports/clock.ts';
import type { TikTok } from '../../../application/ports/tiktok.ts';
import { below, type Call, openHttp } from '../http.ts';
import { readAccount } from './account.ts';
import { businessApi } from './api.ts';
import { type BusinessApp, businessOAuth } from './authorization.ts';
import { businessInsights } from './insights.ts';
import { appQuotas, BUSINESS_LIMITS, BUSINESS_QUOTAS, type BusinessLimits, postQuota } from './limits.ts';
import { businessPublishing } from './publishing.ts';
import { businessVerdict } from './verdict.ts';

/** What we speak; earlier ones differ in their paths (business-api §1). */
const VERSION = '/open_api/v1.3';

/** TikTok's own hosts, and how long we wait for them. */
export const BUSINESS_TIKTOK = {
  businessApiUrl: 'https://business-api.tiktok.com',
  authorizeUrl: 'https://www.tiktok.com/v2/auth/authorize',
  limits: {
    connectMilliseconds: 5_000,
    /** A token call as a whole. Short: a lost answer may have spent the token, and someone holds a lock meanwhile. */
    tokenMilliseconds: 10_000,
    /** Any other call, as a whole. */
    apiMilliseconds: 20_000,
    maxAnswerBytes: 1024 * 1024,
    /**
     * A page of 20 videos with everything that is told of them. Two curves have a point of about 50 bytes for each second, and videos
     * of an hour, the longest that TikTok takes, 3,600 of them: 360 kB. A caption of 2,200 characters may be written in 13 kB, the rest in
     * 8 kB. That makes 381 kB, and 7.6 MB for 20.
     */
    maxInsightsBytes: 8 * 1024 * 1024,
  },
} as const;

export type BusinessTikTokOptions = BusinessApp & {
  /** The only place that tokens and the secret are sent to. With or without the version in its path. */
  readonly businessApiUrl?: string;
  readonly authorizeUrl?: string;
  readonly sandbox: boolean;
  /** Tells how old a video is, and which days TikTok still knows. */
  readonly clock: Clock;
  readonly limits?: { readonly [Limit in keyof (typeof BUSINESS_TIKTOK)['limits']]?: number };
  /** What TikTok granted the app, where that is not the level that all begin at. */
  readonly granted?: Partial<BusinessLimits>;
  readonly onCall?: (call: Call) => void;
};

/** TikTok through its Business API, as account holders let us. Keeps connections until `close`, which waits for the calls under way. */
export function businessTikTok(options: BusinessTikTokOptions): TikTok & { close(): Promise<void> } {
  const limits = { ...BUSINESS_TIKTOK.limits, ...options.limits };
  const granted = { ...BUSINESS_LIMITS, ...options.granted };
  const host = (options.businessApiUrl ?? BUSINESS_TIKTOK.businessApiUrl).replace(/\/+$/, '');
  const at = below(host.endsWith(VERSION) ? host : host + VERSION);
  const http = openHttp({ ...limits, said: businessVerdict, onCall: options.onCall });
  const api = businessApi(http, at, limits.apiMilliseconds);
  return {
    family: 'BUSINESS',
    sandbox: options.sandbox,
    quotas: BUSINESS_QUOTAS,
    appQuotas: appQuotas(granted),
    postQuota: postQuota(granted),
    authorization: {
      ...businessOAuth({
        http,
        at,
        app: options,
        authorizeUrl: options.authorizeUrl ?? BUSINESS_TIKTOK.authorizeUrl,
        withinMilliseconds: limits.tokenMilliseconds,
      }),
      readAccount: readAccount(api),
      profileUri: (username) => `https://www.tiktok.com/@${encodeURIComponent(username)}`,
    },
    publishing: businessPublishing(api),
    insights: businessInsights(api, { clock: options.clock, maxAnswerBytes: limits.maxInsightsBytes }),
    close: () => http.close(),
  };
}
