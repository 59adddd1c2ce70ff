import { rawNumber } from '../http.ts';
import type { Video } from '../state.ts';
import type { World } from '../world.ts';
import { type Checked, invalid, valid } from './answers.ts';
import { type AccountEndpoint, isObject, literal, type Parameters } from './endpoints.ts';
import { askedFields } from './fields.ts';
import type { BusinessScope } from './vocabulary.ts';

const scopeOf = {
  item_id: 'video.list',
  media_type: 'video.list',
  is_ad: 'video.list',
  create_time: 'video.list',
  caption: 'video.list',
  thumbnail_url: 'video.list',
  share_url: 'video.list',
  embed_url: 'video.list',
  video_duration: 'video.list',
  video_views: 'video.list',
  likes: 'video.list',
  comments: 'video.list',
  shares: 'video.list',
  favorites: 'video.list',
  reach: 'video.list',
  total_time_watched: 'video.insights',
  average_time_watched: 'video.insights',
  full_video_watched_rate: 'video.insights',
  video_view_retention: 'video.insights',
  engagement_likes: 'video.insights',
  impression_sources: 'video.insights',
  audience_types: 'video.insights',
  audience_genders: 'video.insights',
  audience_countries: 'video.insights',
  audience_cities: 'video.insights',
  new_followers: 'video.insights',
  profile_views: 'video.insights',
} as const satisfies Record<string, BusinessScope>;
type Field = keyof typeof scopeOf;

const mostPerCall = 20;
const defaultPage = 10;

type Filter = { readonly ids: readonly string[] | undefined };

function readFilters(parameters: Parameters): Checked<Filter> {
  const read = literal(parameters, 'filters');
  if (!read.ok) return read;
  if (read.value === undefined) return valid({ ids: undefined });
  if (!isObject(read.value)) return invalid('filters', 'Not a valid object.');
  const { video_ids: ids, ad_post_only: adsOnly } = read.value;
  if (adsOnly !== undefined && ids === undefined) return invalid('filters.ad_post_only', 'Only with video_ids.');
  if (ids === undefined) return valid({ ids: undefined });
  if (!Array.isArray(ids) || !ids.every((id) => typeof id === 'string')) {
    return invalid('filters.video_ids', 'Not a valid list of strings.');
  }
  return ids.length <= mostPerCall ? valid({ ids }) : invalid('filters.video_ids', `At most ${mostPerCall}.`);
}

function wholeNumber(parameters: Parameters, field: string, fallback: number, most: number): Checked<number> {
  const text = parameters[field];
  if (text === undefined) return valid(fallback);
  const value = Number(text);
  return /^\d+$/.test(String(text)) && value <= most ? valid(value) : invalid(field, `Not an integer up to ${most}.`);
}

export function businessVideos(world: World): AccountEndpoint {
  const { state, clock } = world;

  /** What TikTok knows of a video by now: the numbers, and the duration with them, come a day late. */
  function describe(video: Video): Partial<Record<Field, unknown>> {
    const username = state.accounts.get(video.openId)?.username ?? '';
    const known = clock.now() - video.createTime >= state.settings.insightsDelayMs;
    return {
      item_id: state.settings.businessPostIds === 'number' ? rawNumber(video.postId) : video.postId,
      media_type: 'VIDEO',
      is_ad: false,
      create_time: String(Math.floor(video.createTime / 1000)),
      caption: video.title,
      thumbnail_url: `${world.origin()}/covers/${video.postId}.jpeg?x-expires=${Math.floor(clock.now() / 1000) + 86_400}`,
      share_url: `https://www.tiktok.com/@${username}/video/${video.postId}`,
      embed_url: `https://www.tiktok.com/player/v1/${video.postId}`,
      ...(known
        ? {
            video_duration: state.settings.listedDurationSec,
            video_views: video.viewCount,
            likes: video.likeCount,
            comments: video.commentCount,
            shares: video.shareCount,
          }
        : {}),
    };
  }

  return {
    name: 'business_videos',
    method: 'GET',
    path: '/business/video/list/',
    scopes: ['video.list'],
    handle({ account, grant, parameters }) {
      const fields = askedFields(parameters, grant, scopeOf, ['item_id']);
      if (!fields.ok) return fields;
      if (fields.value.length > 1 && !fields.value.includes('item_id')) {
        return invalid('fields', 'item_id is needed beside others.');
      }
      const filters = readFilters(parameters);
      if (!filters.ok) return filters;
      const cursor = wholeNumber(parameters, 'cursor', clock.now() + 1, Number.MAX_SAFE_INTEGER);
      if (!cursor.ok) return cursor;
      const most = wholeNumber(parameters, 'max_count', defaultPage, mostPerCall);
      if (!most.ok) return most;
      if (most.value < 1) return invalid('max_count', `1 to ${mostPerCall}.`);

      const { ids } = filters.value;
      const shown = world.byAccount
        .videos(account.openId)
        .filter(
          (video) => video.public && (ids === undefined ? video.createTime < cursor.value : ids.includes(video.postId)),
        )
        .sort((one, other) => other.createTime - one.createTime);
      const page = ids === undefined ? shown.slice(0, most.value) : shown;
      const videos = page.map((video) => {
        const all = describe(video);
        return Object.fromEntries(fields.value.filter((field) => field in all).map((field) => [field, all[field]]));
      });
      const last = page.at(-1);
      return {
        ok: true,
        data: {
          videos,
          cursor: ids !== undefined ? 0 : (last?.createTime ?? cursor.value),
          has_more: shown.length > page.length,
        },
      };
    },
  };
}
