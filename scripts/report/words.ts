import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { UnavailableReason } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';
import { type Html, html } from './html.ts';

/** Numbers and dates as people read them. The page is English, so they are too; times are UTC and say so. */
const LOCALE = 'en-GB';

const wholeNumber = new Intl.NumberFormat(LOCALE);
const oneDigit = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 });
const percentage = new Intl.NumberFormat(LOCALE, { style: 'percent', maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });
const calendarDay = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeZone: 'UTC' });
const countries = new Intl.DisplayNames(LOCALE, { type: 'region', fallback: 'code' });
const list = new Intl.ListFormat(LOCALE, { type: 'conjunction' });

export const count = (value: number): string => wholeNumber.format(value);
export const percent = (fraction: number): string => percentage.format(fraction);
/** To a tenth. */
export const seconds = (value: number): string => `${oneDigit.format(value)} s`;
export const listed = (words: readonly string[]): string => list.format(words);
export const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

/** `2,641 h`, `2 h 5 min`, `5 min 3 s`, `7.4 s`: not more than two units. */
export function duration(total: number): string {
  if (total < 59.95) return seconds(total);
  if (total >= 360_000) return `${count(Math.round(total / 3600))} h`;
  const whole = Math.round(total);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours > 0 ? `${count(hours)} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

/**
 * A moment in UTC. The page's script adds the reader's own time: as a tooltip, or beside it. BARE: the heading above says that it
 * is UTC.
 */
export function time(at: Timestamp | Date, local: 'BESIDE' | 'TOOLTIP' | 'BARE' = 'TOOLTIP'): Html {
  const date = at instanceof Date ? at : timestampDate(at);
  const shown = moment.format(date);
  switch (local) {
    case 'BESIDE':
      return html`<time datetime="${date.toISOString()}" data-local>${shown} UTC</time>`;
    case 'TOOLTIP':
      return html`<time datetime="${date.toISOString()}">${shown} UTC</time>`;
    case 'BARE':
      return html`<time datetime="${date.toISOString()}">${shown}</time>`;
  }
}

/** A day of the calendar, from `YYYY-MM-DD`. */
export const day = (date: string): string => calendarDay.format(new Date(`${date}T00:00:00Z`));

/** TikTok's own words for the parts of an audience, in ours. One that is not here is shown as TikTok says it. */
const PARTS: Readonly<Record<string, string>> = {
  NEW_VIEWER: 'New viewers',
  RETURN_VIEWER: 'Returning viewers',
  FOLLOWER_PERCENT: 'Followers',
  NON_FOLLOWER_PERCENT: 'Not followers',
  Follow: 'Following feed',
};

export const partName = (name: string): string => PARTS[name] ?? name;
/** `DE` becomes `Germany`. */
export const countryName = (code: string): string => (/^[A-Z]{2}$/.test(code) ? (countries.of(code) ?? code) : code);

type Why = {
  /** Fits where the number would be. */
  readonly short: string;
  /** A sentence. */
  readonly because: string;
  /** A sentence: what can be done, or what happens by itself. */
  readonly remedy?: string;
};

const WHY: Readonly<Record<UnavailableReason, Why>> = {
  [UnavailableReason.UNSPECIFIED]: { short: 'Not known', because: 'The service did not say why.' },
  [UnavailableReason.NOT_PUBLISHED]: {
    short: 'Not published',
    because: 'The post is not published, so there is nothing to count.',
  },
  [UnavailableReason.NOT_PUBLIC]: {
    short: 'Not public',
    because: 'The video is private, hidden or deleted, and TikTok tells numbers of public videos only.',
  },
  [UnavailableReason.NOT_YET_COLLECTED]: {
    short: 'Not collected yet',
    because: 'TikTok was not asked yet.',
    remedy: 'This happens by itself: make the report again later.',
  },
  [UnavailableReason.NOT_YET_AVAILABLE]: {
    short: 'Not available yet',
    because: 'TikTok tells this 24 to 48 hours after the post.',
    remedy: 'Make the report again later.',
  },
  [UnavailableReason.NEEDS_BUSINESS_API]: {
    short: 'Needs the Business API',
    because: 'TikTok tells this through TikTok API for Business only.',
    remedy: 'Connect the account through it.',
  },
  [UnavailableReason.NEEDS_SCOPE]: {
    short: 'Permission missing',
    because: 'The permission for this was not granted.',
    remedy: 'Reconnect the account and grant it.',
  },
  [UnavailableReason.NEEDS_BUSINESS_ACCOUNT]: {
    short: 'Needs a Business account',
    because: 'TikTok tells this of Business accounts only, and some of it of registered ones only.',
    remedy: 'Switch the account to Business in the TikTok app.',
  },
  [UnavailableReason.TOO_FEW_FOLLOWERS]: {
    short: 'Fewer than 100 followers',
    because: 'TikTok tells this from 100 followers on.',
  },
  [UnavailableReason.IDLE]: {
    short: 'Idle',
    because: 'Nobody did anything with the video for more than 7 days.',
    remedy: 'TikTok tells this again 24 to 48 hours after somebody does.',
  },
  [UnavailableReason.FROZEN]: { short: 'Final', because: 'TikTok stops counting 365 days after the post.' },
  [UnavailableReason.NOT_CONNECTED]: {
    short: 'Not connected',
    because: 'The account is no longer connected.',
    remedy: 'Reconnect it to go on.',
  },
  [UnavailableReason.NOT_PROVIDED]: {
    short: 'Not told by TikTok',
    because: 'TikTok was asked and did not tell.',
    remedy: 'The owner of the account may have to turn Analytics on in the TikTok app.',
  },
};

/** Of a reason newer than this script it says that much. */
export const why = (reason: UnavailableReason): Why =>
  WHY[reason] ?? {
    short: 'Not known',
    because: `The service gives a reason that this report does not know (${reason}).`,
  };

/** Why, and what can be done. */
export function explained(reason: UnavailableReason): string {
  const { because, remedy } = why(reason);
  return remedy === undefined ? because : `${because} ${remedy}`;
}
