import { rawNumber } from '../http.ts';
import type { Account, Video } from '../state.ts';
import type { World } from '../world.ts';
import { type Checked, invalid, valid } from './answers.ts';
import { type AccountEndpoint, isObject, literal, type Parameters } from './endpoints.ts';
import { askedFields } from './fields.ts';
import { type MetadataField, type VideoField, videoObject, videoScopes } from './video-fields.ts';

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
  return ids.length <= mostPerCall
    ? valid({ ids: adsOnly === true ? [] : ids })
    : invalid('filters.video_ids', `At most ${mostPerCall}.`);
}

function wholeNumber(parameters: Parameters, field: string, fallback: number, most: number): Checked<number> {
  const text = parameters[field];
  if (text === undefined) return valid(fallback);
  const value = Number(text);
  return /^\d+$/.test(String(text)) && value <= most ? valid(value) : invalid(field, `Not an integer up to ${most}.`);
}

export function businessVideos(world: World): AccountEndpoint {
  const { state, clock, byAccount, insights } = world;

  function metadata(video: Video, account: Account): Record<MetadataField, unknown> {
    return {
      item_id: state.settings.businessPostIds === 'number' ? rawNumber(video.postId) : video.postId,
      media_type: 'VIDEO',
      is_ad: false,
      create_time: String(Math.floor(video.createTime / 1000)),
      caption: video.title,
      thumbnail_url: `${world.origin()}/covers/${video.postId}.jpeg?x-expires=${Math.floor(clock.now() / 1000) + 86_400}`,
      share_url: `https://www.tiktok.com/@${account.username}/video/${video.postId}`,
      embed_url: `https://www.tiktok.com/player/v1/${video.postId}`,
    };
  }

  function describe(videos: readonly Video[], account: Account, fields: readonly VideoField[]): object[] {
    const { withheld, told } = insights.business(account, clock.now());
    const { insightsGap: gap } = state.settings;
    return videos.map((video) =>
      videoObject(fields, { metadata: metadata(video, account), values: told(video).values, withheld, gap }),
    );
  }

  return {
    name: 'business_videos',
    method: 'GET',
    path: '/business/video/list/',
    scopes: ['video.list'],
    handle({ account, grant, parameters }) {
      const fields = askedFields(parameters, grant, videoScopes, ['item_id']);
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
      if (ids !== undefined) {
        const asked = [...new Set(ids)]
          .flatMap((postId) => state.videos.get(postId) ?? [])
          .filter((video) => video.public && video.openId === account.openId)
          .sort((one, other) => other.createTime - one.createTime);
        return { ok: true, data: { videos: describe(asked, account, fields.value), cursor: 0, has_more: false } };
      }
      const size = Math.min(most.value, state.settings.businessPageSize);
      const found = byAccount.publicVideos(account.openId, cursor.value, size + 1);
      const page = found.slice(0, size);
      return {
        ok: true,
        data: {
          videos: describe(page, account, fields.value),
          cursor: page.at(-1)?.createTime ?? cursor.value,
          has_more: found.length > page.length,
        },
      };
    },
  };
}
