import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectedAccount } from './accounts.ts';
import { type Calls, reasonOf } from './calls.ts';
import type { Crew } from './crew.ts';
import type { Journal } from './journal.ts';
import type { Random } from './random.ts';
import { digestOfOwnVideo, takeInOwnVideo, type Videos } from './videos.ts';

/** A post that the service accepted: from here on it has to answer for it. */
export type EntrustedPost = {
  readonly number: number;
  readonly postId: string;
  /** Nobody else's. */
  readonly caption: string;
  readonly account: ConnectedAccount;
  readonly draft: boolean;
  /** Of the video. A draft's is nobody else's: TikTok gets no caption with it. */
  readonly sha256: string;
  /** How often PublishPost was sent until an answer came. */
  readonly tries: number;
  /** What CancelPost answered, if it was called. */
  cancel?: 'CANCELLED' | 'TOO_LATE';
};

/** The callers: they hand in posts all the time, and cancel some. */
export type Callers = {
  /** Hands in post after post until the signal, while there is `room`, and resolves when all that was begun is answered, cancels included. */
  run(signal: AbortSignal): Promise<void>;
  /** One more, right now. */
  handIn(): Promise<EntrustedPost>;
  entrusted(): readonly EntrustedPost[];
};

type Wish = {
  readonly video: 'SMALL' | 'LONG' | 'OWN' | 'FETCHED';
  readonly draft: boolean;
  readonly everyone: boolean;
  /** Until it is to go out. Undefined: now. */
  readonly aheadMilliseconds: number | undefined;
  /** After it was accepted or came due. Undefined: it is not cancelled. */
  readonly cancelMilliseconds: number | undefined;
};

/** As the request names it. */
type Video = {
  readonly sha256: string;
  readonly named: { readonly video_id: string } | { readonly video_uri: string };
};

const CALL = { deadlineMilliseconds: 4_000 };

export function callers(needs: {
  readonly calls: Calls;
  readonly crew: Crew;
  readonly accounts: readonly ConnectedAccount[];
  readonly videos: Videos;
  /** Where the service finds the video of a number. */
  readonly addressOf: (number: number) => string;
  readonly workspaceId: string;
  readonly postsPerSecond: number;
  /** Resolves when another post may come: a slow machine gets no more than it gets done. */
  readonly room: (posts: readonly EntrustedPost[]) => Promise<void>;
  readonly seed: number;
  readonly random: Random;
  readonly journal: Journal;
}): Callers {
  const { calls, crew, accounts, videos, addressOf, workspaceId, postsPerSecond, room, seed, random, journal } = needs;
  const entrusted: EntrustedPost[] = [];
  const underWay = new Set<Promise<unknown>>();
  const arrivals = random.branch('arrivals');
  let serial = 0;

  function begin(work: Promise<unknown>): void {
    crew.add(work);
    // Whether it failed, the crew tells.
    const ended: Promise<unknown> = work.catch(() => undefined).finally(() => underWay.delete(ended));
    underWay.add(ended);
  }

  async function handIn(): Promise<EntrustedPost> {
    serial += 1;
    const number = serial;
    const chance = random.branch(`post ${number}`);
    const wished = wishOf(chance);
    // In turn, so that no account gets more than TikTok takes from one in a minute.
    const account = accounts[number % accounts.length];
    if (account === undefined) throw new Error('there is no account to post to');
    // The Business family posts publicly, and takes no drafts from this app.
    const wish = account.family === 'BUSINESS' ? { ...wished, draft: false, everyone: true } : wished;
    const { sha256, named } = await videoFor(wish, number, chance);
    const due = wish.aheadMilliseconds === undefined ? undefined : new Date(Date.now() + wish.aheadMilliseconds);
    const caption = `Chaos ${seed}, post ${number}`;
    const request = {
      workspace_id: workspaceId,
      connection_id: account.connectionId,
      request_id: `chaos-${seed}-${number}`,
      destination: 'tiktok',
      caption,
      ...named,
      settings: {
        privacy_level: wish.everyone ? 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE' : 'PRIVACY_LEVEL_SELF_ONLY',
        draft: wish.draft,
      },
      ...(due === undefined ? {} : { schedule_time: timestamp(due) }),
    };
    let tries = 0;
    const { post } = await calls.repeat('PublishPost', ({ posts }) => {
      tries += 1;
      return posts.PublishPost<{ post: { post_id: string } }>(request, CALL);
    });
    const accepted: EntrustedPost = {
      number,
      postId: post.post_id,
      caption,
      account,
      draft: wish.draft,
      sha256,
      tries,
    };
    entrusted.push(accepted);
    journal.note(`post ${number} is ${accepted.postId}, accepted at try ${tries}`);
    if (wish.cancelMilliseconds !== undefined) begin(cancel(accepted, wish.cancelMilliseconds, due));
    return accepted;
  }

  async function videoFor(wish: Wish, number: number, chance: Random): Promise<Video> {
    if (wish.video === 'FETCHED') {
      return { sha256: await digestOfOwnVideo(number), named: { video_uri: addressOf(number) } };
    }
    const { videoId, sha256 } =
      wish.video === 'OWN'
        ? await takeInOwnVideo(calls, workspaceId, number)
        : chance.pick(wish.video === 'SMALL' ? videos.small : videos.long);
    return { sha256, named: { video_id: videoId } };
  }

  async function cancel(post: EntrustedPost, milliseconds: number, due: Date | undefined): Promise<void> {
    const untilDue = due === undefined ? 0 : due.getTime() - Date.now();
    await delay(Math.max(0, untilDue + milliseconds), undefined, { signal: crew.signal });
    try {
      await calls.repeat('CancelPost', ({ posts }) => posts.CancelPost({ post_id: post.postId }, CALL));
      post.cancel = 'CANCELLED';
    } catch (error) {
      const reason = reasonOf(error);
      if (reason !== 'POST_ALREADY_SENT' && reason !== 'POST_ENDED') throw error;
      post.cancel = 'TOO_LATE';
    }
    journal.note(`the cancel of ${post.postId} was answered with ${post.cancel}`);
  }

  return {
    handIn,
    entrusted: () => entrusted,
    async run(signal) {
      while (!signal.aborted) {
        begin(handIn());
        await crew.orOver(Promise.race([room(entrusted), aborted(signal)]));
        await delay(arrivals.gap(1000 / postsPerSecond), undefined, { signal }).catch(() => undefined);
      }
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

function wishOf(chance: Random): Wish {
  const draft = chance.chance(0.05);
  return {
    draft,
    video: draft
      ? 'OWN'
      : chance.weighted([
          [70, 'SMALL'],
          [10, 'LONG'],
          [10, 'OWN'],
          [10, 'FETCHED'],
        ] as const),
    everyone: chance.chance(0.5),
    // Around the moment they are due most of all: before it, in the middle of the work, and after it.
    aheadMilliseconds: chance.chance(0.4) ? chance.whole(1, 8) * 1000 : undefined,
    cancelMilliseconds: chance.chance(0.12) ? chance.between(-1000, 500) + chance.gap(800) : undefined,
  };
}

const timestamp = (date: Date) => ({
  seconds: String(Math.floor(date.getTime() / 1000)),
  nanos: (date.getTime() % 1000) * 1e6,
});
