import { describe, expect, it } from 'vitest';
import {
  type AccountLife,
  audienceOf,
  audienceShares,
  dateOf,
  dayMs,
  daysFrom,
  standingAt,
} from './account-insights.ts';
import { countsAt } from './video-insights.ts';
import { videoModel } from './video-model.ts';

const start = Date.UTC(2026, 0, 1);
const life: AccountLife = {
  followers: 500,
  likes: 40,
  mostActiveHour: 18,
  videos: [0, 3.4, 9.7, 9.8].map((age, index) => ({
    createTime: start + age * dayMs,
    model: videoModel('test', `${index}`, { finalViews: 20_000, finalNewFollowers: 900, finalClicks: 300 }),
  })),
};
const total = <T>(list: readonly T[], read: (item: T) => number) => list.reduce((sum, item) => sum + read(item), 0);

describe("an account's days", () => {
  const days = daysFrom(life, start, 40);
  const end = start + 40 * dayMs;

  it('follow one another', () => {
    expect(days.map(({ date }) => date)).toEqual(days.map((_, index) => dateOf(start + index * dayMs)));
  });

  it('add up to what its videos have', () => {
    const { videos } = life;
    const ofVideos = (name: 'views' | 'likes' | 'comments' | 'shares' | 'reach' | 'profileViews' | 'websiteClicks') =>
      total(videos, ({ createTime, model }) => countsAt(model, end - createTime)[name]);
    expect(total(days, (day) => day.videoViews)).toBe(ofVideos('views'));
    expect(total(days, (day) => day.likes)).toBe(ofVideos('likes'));
    expect(total(days, (day) => day.comments)).toBe(ofVideos('comments'));
    expect(total(days, (day) => day.shares)).toBe(ofVideos('shares'));
    expect(total(days, (day) => day.reach)).toBe(ofVideos('reach'));
    expect(total(days, (day) => day.profileViews)).toBe(ofVideos('profileViews'));
    expect(total(days, (day) => day.bioLinkClicks)).toBe(ofVideos('websiteClicks'));
    expect(standingAt(life, end).totalLikes).toBe(40 + ofVideos('likes'));
  });

  it('lead from one count of followers to the next', () => {
    let before = 500;
    for (const day of days) {
      expect(day.netFollowers).toBe(day.newFollowers - day.lostFollowers);
      expect(day.followers).toBe(before + day.netFollowers);
      before = day.followers;
    }
    expect(before).toBe(standingAt(life, end).followers);
    expect(total(days, (day) => day.lostFollowers)).toBeGreaterThan(0);
    expect(before).toBeGreaterThan(500);
  });

  it('have nothing before the first video, and most followers there at their hour', () => {
    const [before] = daysFrom(life, start - dayMs, 1);
    expect(before).toMatchObject({ videoViews: 0, likes: 0, followers: 500, engagedAudience: 0 });
    const { audienceActivity: hours = [] } = days[20] ?? {};
    expect(hours.map(({ hour }) => hour)).toEqual(Array.from({ length: 24 }, (_, hour) => hour));
    expect(hours.toSorted((one, other) => other.count - one.count)[0]?.hour).toBe(18);
  });
});

describe('an audience', () => {
  it('follows from seed and account, as far as it is not set', () => {
    const ages = { '18-24': 3, '55+': 1 };
    const shares = audienceShares(audienceOf('test', '-000a', { ages }));
    expect(shares.audienceAges).toEqual([
      { name: '18-24', fraction: 0.75 },
      { name: '55+', fraction: 0.25 },
    ]);
    expect(audienceOf('test', '-000a', {})).toEqual(audienceOf('test', '-000a', {}));
    expect(audienceOf('test', '-000b', {})).not.toEqual(audienceOf('test', '-000a', {}));
    for (const list of Object.values(shares)) expect(total(list, ({ fraction }) => fraction)).toBeCloseTo(1, 9);
  });
});
