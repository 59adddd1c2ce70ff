import type { Publish, State, Time, Video } from './state.ts';

/** Publishes and videos per account, so that no call has to look through all of them. */
export type ByAccount = {
  addPublish(publish: Publish): void;
  addVideo(video: Video): void;
  publishes(openId: string): readonly Publish[];
  /** All that there ever were, oldest first. */
  videos(openId: string): readonly Video[];
  /** The public ones before a moment, newest first, `most` of them. */
  publicVideos(openId: string, before: Time, most: number): Video[];
  /** The first moment from `time` on at which the account posted nothing: a page of its list can end at any video. */
  freeCreateTime(openId: string, time: Time): Time;
  /** After the state was replaced. */
  rebuild(): void;
};

const none: readonly never[] = [];

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list) list.push(item);
  else lists.set(key, [item]);
}

/** Where the first video is that was created at `time` or later. */
function placeOf(videos: readonly Video[], time: Time): number {
  let low = 0;
  let high = videos.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((videos[middle]?.createTime ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function byAccount(state: State): ByAccount {
  const publishes = new Map<string, Publish[]>();
  const videos = new Map<string, Video[]>();

  function rebuild(): void {
    publishes.clear();
    videos.clear();
    for (const publish of state.publishes.values()) append(publishes, publish.openId, publish);
    for (const video of state.videos.values()) append(videos, video.openId, video);
    for (const list of videos.values()) list.sort((one, other) => one.createTime - other.createTime);
  }
  rebuild();

  return {
    addPublish(publish) {
      state.publishes.set(publish.publishId, publish);
      append(publishes, publish.openId, publish);
    },
    addVideo(video) {
      state.videos.set(video.postId, video);
      const list = videos.get(video.openId);
      if (list) list.splice(placeOf(list, video.createTime), 0, video);
      else videos.set(video.openId, [video]);
    },
    publishes: (openId) => publishes.get(openId) ?? none,
    videos: (openId) => videos.get(openId) ?? none,
    publicVideos(openId, before, most) {
      const list = videos.get(openId) ?? none;
      const found: Video[] = [];
      for (let place = placeOf(list, before) - 1; place >= 0 && found.length < most; place -= 1) {
        const video = list[place];
        if (video?.public) found.push(video);
      }
      return found;
    },
    freeCreateTime(openId, time) {
      const list = videos.get(openId) ?? none;
      let free = time;
      for (let place = placeOf(list, time); list[place]?.createTime === free; place += 1) free += 1;
      return free;
    },
    rebuild,
  };
}
