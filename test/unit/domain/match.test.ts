import { describe, expect, it } from 'vitest';
import { findListed, type ListedVideo } from '../../../src/domain/post/match.ts';
import { aPlan, later, NOW } from '../../support/builders.ts';

const listed = (parts: Partial<ListedVideo> = {}): ListedVideo => ({
  tiktokPostId: '7600',
  createTime: later(30),
  caption: 'Summer sale #sun',
  durationSeconds: 20,
  ...parts,
});

const long = 'x'.repeat(149);

describe('a post is found in the account’s list', () => {
  it.each<[string, string, Partial<ListedVideo>, boolean]>([
    ['by caption, length and time', 'Summer sale #sun', {}, true],
    ['also with blanks around the caption', ' Summer sale #sun\n', {}, true],
    ['not by another caption', 'Summer sale', {}, false],
    ['by what TikTok shows of a long caption', `${long}ab`, { caption: `${long}a` }, true],
    ['not by another beginning of a long caption', `${long}ab`, { caption: `${long}b` }, false],
    ['by a length that TikTok rounded down', 'Summer sale #sun', { durationSeconds: 20 }, true],
    ['by a length that TikTok rounded up', 'Summer sale #sun', { durationSeconds: 21 }, true],
    ['not by a length a second and more off', 'Summer sale #sun', { durationSeconds: 22 }, false],
    ['within five minutes before our own clock’s time', 'Summer sale #sun', { createTime: later(-300) }, true],
    ['not from before it was sent', 'Summer sale #sun', { createTime: later(-301) }, false],
    ['however late it appears', 'Summer sale #sun', { createTime: later(7 * 86_400) }, true],
  ])('%s', (_, caption, parts, found) => {
    const video = listed(parts);
    const matches = findListed(aPlan({ caption }), { videoSeconds: 20.5, finalizeTime: NOW }, [video]);
    expect(matches).toEqual(found ? [video] : []);
  });

  it('by caption and time alone while TikTok does not know its length', () => {
    const { durationSeconds: _, ...video } = listed();
    const seen = { videoSeconds: 20.5, finalizeTime: NOW };
    expect(findListed(aPlan({ caption: video.caption }), seen, [video])).toEqual([video]);
    expect(findListed(aPlan({ caption: 'another' }), seen, [video])).toEqual([]);
  });

  it('with all that look like it', () => {
    const list = [
      listed({ tiktokPostId: '1' }),
      listed({ tiktokPostId: '2', caption: 'no' }),
      listed({ tiktokPostId: '3' }),
    ];
    const matches = findListed(aPlan({ caption: 'Summer sale #sun' }), { videoSeconds: 20.5, finalizeTime: NOW }, list);
    expect(matches.map(({ tiktokPostId }) => tiktokPostId)).toEqual(['1', '3']);
  });
});
