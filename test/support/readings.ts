import type { AccountReading, VideoReading } from '../../src/domain/analytics/reading.ts';
import { NOW } from './builders.ts';

let videos = 0;

/** TikTok's id of a video: digits, more than a number holds. */
export const aTiktokPostId = (): string => {
  videos += 1;
  return String(7_400_000_000_000_000_000n + BigInt(videos));
};

export const aReading = (parts: Partial<VideoReading> = {}): VideoReading => ({
  tiktokPostId: aTiktokPostId(),
  createTime: NOW,
  caption: 'Summer sale #sun',
  numbers: { views: 100, likes: 10, comments: 2, shares: 1 },
  curves: {},
  breakdowns: {},
  ...parts,
});

/** Everything that the Business family tells. */
export const aFullReading = (parts: Partial<VideoReading> = {}): VideoReading =>
  aReading({
    shareUri: 'https://www.tiktok.com/@acme/video/7551234567890123456',
    durationSeconds: 21.5,
    numbers: {
      views: 2_300_000_000,
      likes: 61,
      comments: 4,
      shares: 3,
      favorites: 8,
      reach: 840,
      totalWatchSeconds: 6120.4,
      averageWatchSeconds: 6.778,
      fullWatchRate: 0.118,
      newFollowers: 2,
      profileViews: 0,
    },
    curves: {
      retention: [
        { second: 0, fraction: 1 },
        { second: 1, fraction: 0.83 },
      ],
    },
    breakdowns: {
      impressionSources: [{ name: 'For You', fraction: 0.81 }],
      audienceCities: [{ name: 'Köln', fraction: 1 }],
    },
    ...parts,
  });

export const anAccountReading = (parts: Partial<AccountReading> = {}): AccountReading => ({
  numbers: { followers: 1520, following: 12, totalLikes: 30_411, videoCount: 87 },
  days: [],
  breakdowns: {},
  ...parts,
});
