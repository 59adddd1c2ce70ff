import { refuse } from './input.ts';
import type { VideoModel } from './insights/video-model.ts';
import type { Account, Time, Video } from './state.ts';
import type { World } from './world.ts';

/** A video that its owner posted in the app. */
export type NewVideo = {
  /** Not after now, not before the account. Later by a millisecond or more where the account has one of that moment. Now unless said. */
  createTime?: Time;
  caption?: string;
  /** As the settings say unless said. */
  durationSeconds?: number;
  /** True unless said. */
  public?: boolean;
  model?: Partial<VideoModel>;
};

/** Accounts with videos at equal distances. */
export type Crowd = {
  accounts: number;
  /** Of each account; 0 unless said. */
  videos?: number;
  /** Their names are this and a number from 1 on; `crowd.` unless said. */
  prefix?: string;
  /** How old the oldest video of each is; 60 days unless said. The youngest is so much older than now as they are apart. */
  spanMs?: number;
  /** What all these accounts have in common. */
  account?: Partial<Omit<Account, 'openId' | 'username'>>;
  /** What all their videos have in common. */
  model?: Partial<VideoModel>;
  durationSeconds?: number;
};

export function checkPostable(account: Account, now: Time, { createTime = now }: NewVideo, field: string): void {
  if (createTime <= now && createTime >= account.createTime) return;
  const limit = `must be from ${account.createTime}, when the account was made, to now, ${now}`;
  refuse(`${field}.createTime`, createTime, limit, 'Change it, or the createTime of the account.');
}

export function addVideo(world: World, account: Account, video: NewVideo): Video {
  const now = world.clock.now();
  const { createTime = now, caption = '', durationSeconds = null, public: isPublic = true, model = {} } = video;
  const free = world.byAccount.freeCreateTime(account.openId, createTime);
  const added: Video = {
    postId: world.ids.longNumber('post'),
    publishId: null,
    openId: account.openId,
    title: caption,
    privacyLevel: isPublic ? 'PUBLIC_TO_EVERYONE' : 'SELF_ONLY',
    aigc: false,
    createTime: free,
    durationSeconds,
    sha256: '',
    public: isPublic,
    hidden: isPublic ? [] : [{ from: free, until: null }],
    deletedTime: null,
    publicDueTime: null,
    model,
  };
  world.byAccount.addVideo(added);
  return added;
}

/** `addAccount` refuses names that are taken; then those before it stay. */
export function addCrowd(world: World, crowd: Crowd, addAccount: (username: string) => Account): Map<Account, Video[]> {
  const { accounts, videos = 0, prefix = 'crowd.', spanMs = 60 * 86_400_000, model, durationSeconds } = crowd;
  const now = world.clock.now();
  const added = new Map<Account, Video[]>();
  for (let number = 1; number <= accounts; number += 1) {
    const account = addAccount(`${prefix}${number}`);
    checkPostable(account, now, { createTime: now - spanMs }, 'crowd.spanMs');
    added.set(
      account,
      Array.from({ length: videos }, (_, index) =>
        addVideo(world, account, {
          createTime: now - Math.floor((spanMs * (videos - index)) / videos),
          caption: `${account.username} ${index + 1}`,
          ...(model === undefined ? {} : { model }),
          ...(durationSeconds === undefined ? {} : { durationSeconds }),
        }),
      ),
    );
  }
  return added;
}
