import type { Video } from '../state.ts';
import type { World } from '../world.ts';
import { invalid } from './answers.ts';
import { type BearerEndpoint, isObject, perApp } from './bearer.ts';
import { checkFields } from './fields.ts';

const videoFields = [
  'id',
  'create_time',
  'cover_image_url',
  'share_url',
  'video_description',
  'duration',
  'height',
  'width',
  'title',
  'embed_html',
  'embed_link',
  'like_count',
  'comment_count',
  'share_count',
  'view_count',
  'is_aigc',
] as const;
type VideoField = (typeof videoFields)[number];

const textLimit = 150;
const mostPerCall = 20;
const defaultPage = 10;
/** The sandbox doesn't look into the file. */
const assumed = { height: 1920, width: 1080 };

export function videoEndpoints(world: World): BearerEndpoint[] {
  const { state, clock, byAccount, insights } = world;

  function describe(video: Video): Record<VideoField, string | number | boolean> {
    const username = state.accounts.get(video.openId)?.username ?? '';
    const { durationSeconds, likes, comments, shares, views } = insights.openNumbers(video, clock.now()).values;
    const embedLink = `https://www.tiktok.com/player/v1/${video.postId}`;
    return {
      id: video.postId,
      create_time: Math.floor(video.createTime / 1000),
      cover_image_url: `${world.origin()}/covers/${video.postId}.jpeg`,
      share_url: `https://www.tiktok.com/@${username}/video/${video.postId}?utm_campaign=tt4d_open_api&utm_source=${state.app.clientKey}`,
      video_description: video.title.slice(0, textLimit),
      duration: durationSeconds,
      ...assumed,
      title: video.title.slice(0, textLimit),
      embed_html: `<iframe src="${embedLink}"></iframe>`,
      embed_link: embedLink,
      like_count: likes,
      comment_count: comments,
      share_count: shares,
      view_count: views,
      is_aigc: video.aigc,
    };
  }

  const pick = (video: Video, fields: readonly VideoField[]) => {
    const all = describe(video);
    return Object.fromEntries(fields.map((field) => [field, all[field]]));
  };

  const common = {
    method: 'POST',
    scopes: () => ['video.list'] as const,
    limit: perApp(() => state.settings.appPerMinute),
  } as const;

  return [
    {
      ...common,
      name: 'video_list',
      path: '/v2/video/list/',
      bodyOptional: true,
      handle({ call, account, body }) {
        const fields = checkFields(call, videoFields);
        if (!fields.ok) return fields;
        const { cursor = clock.now() + 1, max_count: pageSize = defaultPage } = body;
        if (!Number.isSafeInteger(cursor) || (cursor as number) < 0) return invalid('The cursor is invalid');
        if (!Number.isInteger(pageSize) || (pageSize as number) < 1 || (pageSize as number) > mostPerCall) {
          return invalid(`The max_count must be 1 to ${mostPerCall}`);
        }
        const most = pageSize as number;
        const videos = byAccount.publicVideos(account.openId, cursor as number, most + 1);
        const page = videos.slice(0, most);
        return {
          ok: true,
          data: {
            videos: page.map((video) => pick(video, fields.value)),
            cursor: page.at(-1)?.createTime ?? cursor,
            has_more: videos.length > page.length,
          },
        };
      },
    },
    {
      ...common,
      name: 'video_query',
      path: '/v2/video/query/',
      handle({ call, account, body }) {
        const fields = checkFields(call, videoFields);
        if (!fields.ok) return fields;
        const filters = body['filters'];
        const asked = isObject(filters) ? filters['video_ids'] : undefined;
        if (!Array.isArray(asked) || asked.length < 1 || asked.length > mostPerCall) {
          return invalid(`The video_ids must be 1 to ${mostPerCall} ids`);
        }
        if (!asked.every((id) => typeof id === 'string' && /^\d{1,20}$/.test(id))) {
          return invalid('The video_ids must be numeric strings');
        }
        const videos = asked
          .map((id: string) => state.videos.get(id))
          .filter((video): video is Video => video?.openId === account.openId && video.public);
        return { ok: true, data: { videos: videos.map((video) => pick(video, fields.value)) } };
      },
    },
  ];
}
