import type { Answer, Call } from './http.ts';

export const endpointNames = [
  'authorize',
  'token',
  'revoke',
  'user_info',
  'creator_info',
  'video_init',
  'inbox_init',
  'upload',
  'status',
  'cancel',
  'video_list',
  'video_query',
  'business_token',
  'business_refresh',
  'business_revoke',
  'business_token_info',
  'business_account',
  'business_settings',
  'business_publish',
  'business_status',
  'business_videos',
  'business_property_add',
  'business_property_verify',
  'business_property_delete',
  'business_property_list',
  'business_webhook_update',
  'business_webhook_list',
  'business_webhook_delete',
] as const;
export type EndpointName = (typeof endpointNames)[number];

/** Whom and what a call is about, as far as can be told before any work: faults aim at it, the ledger records it. */
export type Subject = {
  readonly account?: string;
  readonly publishId?: string;
  readonly grantType?: string;
  /** Of an upload: which chunk, counted from 0. */
  readonly chunk?: number;
  readonly lastChunk?: boolean;
};

/** For uploads: take this many bytes of the chunk, then break the connection. */
export type ShortRead = { readonly bytes: number; readonly keep: boolean };

/** What TikTok serves at one path. Families of endpoints differ in how they say no. */
export type Endpoint = {
  readonly name: EndpointName;
  readonly methods: readonly string[];
  readonly path: string;
  /** `stream`: the endpoint reads the request itself. */
  readonly body: 'text' | 'stream';
  subject(call: Call): Subject;
  handle(call: Call, shortRead?: ShortRead): Answer | Promise<Answer>;
  /** The endpoint's own way to answer this error code, or undefined when it has no such code. */
  refuse(code: string, message?: string): Answer | undefined;
  /** Its answer to a method that it does not serve; without it, plain HTTP 405. */
  wrongMethod?(): Answer;
};
