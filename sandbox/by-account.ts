import type { Publish, State, Video } from './state.ts';

/** Publishes and videos per account, so that no call has to look through all of them. */
export type ByAccount = {
  addPublish(publish: Publish): void;
  addVideo(video: Video): void;
  publishes(openId: string): readonly Publish[];
  videos(openId: string): readonly Video[];
  /** After the state was replaced. */
  rebuild(): void;
};

const none: readonly never[] = [];

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list) list.push(item);
  else lists.set(key, [item]);
}

export function byAccount(state: State): ByAccount {
  const publishes = new Map<string, Publish[]>();
  const videos = new Map<string, Video[]>();

  function rebuild(): void {
    publishes.clear();
    videos.clear();
    for (const publish of state.publishes.values()) append(publishes, publish.openId, publish);
    for (const video of state.videos.values()) append(videos, video.openId, video);
  }
  rebuild();

  return {
    addPublish(publish) {
      state.publishes.set(publish.publishId, publish);
      append(publishes, publish.openId, publish);
    },
    addVideo(video) {
      state.videos.set(video.postId, video);
      append(videos, video.openId, video);
    },
    publishes: (openId) => publishes.get(openId) ?? none,
    videos: (openId) => videos.get(openId) ?? none,
    rebuild,
  };
}
