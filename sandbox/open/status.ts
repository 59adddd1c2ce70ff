import { rawNumber } from '../http.ts';
import type { Pulls } from '../pulls.ts';
import type { Publish } from '../state.ts';
import type { World } from '../world.ts';
import { type Checked, invalid, refused, valid } from './answers.ts';
import { type BearerEndpoint, perToken, type Visit } from './bearer.ts';

function statusWord({ stage, source }: Publish): string {
  switch (stage.name) {
    case 'UPLOADING':
    case 'DOWNLOADING':
    case 'PROCESSING':
      return source.kind === 'FILE_UPLOAD' ? 'PROCESSING_UPLOAD' : 'PROCESSING_DOWNLOAD';
    case 'IN_INBOX':
      return 'SEND_TO_USER_INBOX';
    case 'COMPLETE':
      return 'PUBLISH_COMPLETE';
    case 'FAILED':
      return 'FAILED';
  }
}

export function statusEndpoints(world: World, pulls: Pulls): BearerEndpoint[] {
  const { state } = world;

  function findPublish({ account, body }: Visit): Checked<Publish> {
    const publishId = body['publish_id'];
    if (typeof publishId !== 'string' || publishId === '') return invalid('The publish_id is required');
    const publish = state.publishes.get(publishId);
    if (publish?.family !== 'OPEN') return refused('invalid_publish_id');
    if (publish.openId !== account.openId) return refused('token_not_authorized_for_specified_publish_id');
    return valid(publish);
  }

  /** As raw 64-bit numbers: a caller that parses them as doubles gets them wrong, as with TikTok. */
  function publicPostIds({ stage }: Publish): object {
    if (stage.name !== 'COMPLETE' && stage.name !== 'FAILED') return {};
    const all = stage.name === 'COMPLETE' ? stage.postIds : [];
    const visible = all.filter((postId) => state.videos.get(postId)?.public);
    return { publicaly_available_post_id: visible.map((postId) => rawNumber(postId)) };
  }

  return [
    {
      name: 'status',
      method: 'POST',
      path: '/v2/post/publish/status/fetch/',
      scopes: () => ['video.upload', 'video.publish'],
      limit: perToken(() => state.settings.statusPerMinute),
      handle(visit) {
        const found = findPublish(visit);
        if (!found.ok) return found;
        const publish = found.value;
        const bytes = publish.source.kind === 'FILE_UPLOAD' ? 'uploaded_bytes' : 'downloaded_bytes';
        return {
          ok: true,
          data: {
            status: statusWord(publish),
            ...(publish.stage.name === 'FAILED' ? { fail_reason: publish.stage.reason } : {}),
            ...publicPostIds(publish),
            [bytes]: publish.receivedBytes,
          },
        };
      },
    },
    {
      name: 'cancel',
      method: 'POST',
      path: '/v2/post/publish/cancel/',
      scopes: () => ['video.upload', 'video.publish'],
      limit: undefined,
      handle(visit) {
        const found = findPublish(visit);
        if (!found.ok) return found;
        if (found.value.stage.name !== 'DOWNLOADING') return refused('publish_not_cancellable');
        pulls.cancel(found.value);
        return { ok: true, data: undefined };
      },
    },
  ];
}
