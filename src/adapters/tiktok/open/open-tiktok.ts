import type { TikTok, Uploads } from '../../../application/ports/tiktok.ts';
import type { Secret } from '../../../domain/secret.ts';
import { below, type Call, openHttp } from '../http.ts';
import { readAccount } from './account.ts';
import { openApi } from './api.ts';
import { openOAuth } from './authorization.ts';
import { openInsights } from './insights.ts';
import { OPEN_QUOTAS, openPublishing } from './publishing.ts';
import { sendChunk } from './upload.ts';
import { openVerdict } from './verdict.ts';

/** TikTok's own hosts, and how long we wait for them. */
export const OPEN_TIKTOK = {
  openApiUrl: 'https://open.tiktokapis.com',
  authorizeUrl: 'https://www.tiktok.com/v2/auth/authorize/',
  limits: {
    connectMilliseconds: 5_000,
    /** A token call as a whole. Short: a lost answer may have spent the token, and someone holds a lock meanwhile. */
    tokenMilliseconds: 10_000,
    /** Any other call but a chunk, as a whole. */
    apiMilliseconds: 20_000,
    /** A chunk takes as long as it takes, but not this long without progress. */
    idleMilliseconds: 60_000,
    maxAnswerBytes: 1024 * 1024,
  },
} as const;

export type OpenTikTokLimits = { readonly [Limit in keyof (typeof OPEN_TIKTOK)['limits']]: number };

export type OpenTikTokOptions = {
  readonly clientKey: string;
  readonly clientSecret: Secret;
  readonly redirectUri: string;
  /** Absent: no PKCE. */
  readonly pkce?: boolean;
  /** The only place that tokens and the client secret are sent to. */
  readonly openApiUrl?: string;
  readonly authorizeUrl?: string;
  /** The only origins that get videos. Absent: https and a host under tiktokapis.com. */
  readonly uploadOrigins?: readonly string[];
  readonly sandbox: boolean;
  readonly limits?: Partial<OpenTikTokLimits>;
  readonly onCall?: (call: Call) => void;
};

/** TikTok through its open API. Keeps connections until `close`, which waits for the calls under way. */
export function openTikTok(options: OpenTikTokOptions): TikTok & {
  readonly publishing: Uploads;
  close(): Promise<void>;
} {
  const limits = { ...OPEN_TIKTOK.limits, ...options.limits };
  const at = below(options.openApiUrl ?? OPEN_TIKTOK.openApiUrl);
  const allowed = options.uploadOrigins && new Set(options.uploadOrigins.map((text) => new URL(text).origin));
  const http = openHttp({ ...limits, said: openVerdict, onCall: options.onCall });
  const api = openApi(http, at, limits.apiMilliseconds);
  return {
    family: 'OPEN',
    sandbox: options.sandbox,
    quotas: OPEN_QUOTAS,
    // What publishing needs is counted for each account (open-api §8).
    appQuotas: [],
    authorization: {
      ...openOAuth({
        http,
        at,
        app: { ...options, pkce: options.pkce ?? false },
        authorizeUrl: options.authorizeUrl ?? OPEN_TIKTOK.authorizeUrl,
        withinMilliseconds: limits.tokenMilliseconds,
      }),
      readAccount: readAccount(api),
      profileUri: (username) => `https://www.tiktok.com/@${encodeURIComponent(username)}`,
    },
    publishing: {
      ...openPublishing(api, allowed),
      sendChunk: sendChunk({ http, allowed, idleMilliseconds: limits.idleMilliseconds }),
    },
    insights: openInsights(api),
    close: () => http.close(),
  };
}
