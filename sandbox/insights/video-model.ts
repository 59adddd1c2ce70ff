import { fractions } from '../ids.ts';
import type { Weights } from './shares.ts';

/** From one age of a video to another, in milliseconds; `untilMs` null: for ever. */
export type Pause = { fromMs: number; untilMs: number | null };

/** How a video does over its life. */
export type VideoModel = {
  /** What it has when all views have come. Everything else grows in step with the views. */
  finalViews: number;
  finalLikes: number;
  finalComments: number;
  finalShares: number;
  finalFavorites: number;
  /** People; at most `finalViews`. */
  finalReach: number;
  finalNewFollowers: number;
  finalProfileViews: number;
  /** Clicks of all kinds together, from its website to its address. */
  finalClicks: number;
  /** After this time half of the views have come, after twice this time three quarters. 0: all at once. */
  halfLifeMs: number;
  /** Ages at which nobody does anything; growth goes on afterwards where it stopped. They may overlap. */
  pauses: readonly Pause[];
  /** Share of its duration that a view watches on average when all views have come: above `fullWatchRate`, below 1. Early on it is higher. */
  meanWatchShare: number;
  /** Share of the views that see its end, when all views have come. Above 0. With the mean it decides the shape of the retention curve. */
  fullWatchRate: number;
  /** Share of the viewers who follow the account, when all views have come. Early on it is higher. */
  followerShare: number;
  newViewerShare: number;
  /** By TikTok's names, such as `For You`. Early on `Follow` weighs more. */
  impressionSources: Weights;
  audienceGenders: Weights;
  audienceCountries: Weights;
  audienceCities: Weights;
};

const dayMs = 86_400_000;

export const countries = ['DE', 'AT', 'CH', 'NL', 'FR', 'GB', 'US', 'PL', 'DK', 'IT', 'ES', 'SE'] as const;
/** One in each country, in the same order. */
export const cities = [
  ...['Berlin', 'Vienna', 'Zurich', 'Amsterdam', 'Paris', 'London'],
  ...['New York', 'Warsaw', 'Copenhagen', 'Milan', 'Madrid', 'Stockholm'],
] as const;

/** Each weighs this much less than the one before; `first` says which of them is the heaviest. */
export function falling(names: readonly string[], first: number, ratio: number): Weights {
  const start = Math.floor(first * names.length);
  return Object.fromEntries(
    names.map((name, index) => [name, ratio ** ((index - start + names.length) % names.length)]),
  );
}

export function genders(female: number): Weights {
  return { Female: 0.25 + 0.5 * female, Male: 0.7 - 0.5 * female, Other: 0.05 };
}

/** What is set, and the rest from the seed and the post id: the same three give the same model. */
export function videoModel(seed: string, postId: string, set: Partial<VideoModel>): VideoModel {
  const draw = fractions(seed, `video ${postId}`);
  const between = (n: number, low: number, high: number) => low + (high - low) * draw(n);
  // Of two that depend on each other, the one that is not set fits the other.
  const finalViews = set.finalViews ?? Math.max(set.finalReach ?? 0, Math.round(200 * 100 ** draw(0)));
  const ofViews = (n: number, low: number, high: number) => Math.floor(finalViews * between(n, low, high));
  const finalProfileViews = set.finalProfileViews ?? ofViews(7, 0.005, 0.03);
  const meanWatchShare =
    set.meanWatchShare ??
    (set.fullWatchRate === undefined ? between(8, 0.25, 0.65) : 1 - (1 - set.fullWatchRate) * between(8, 0.5, 0.9));
  return {
    finalViews,
    finalLikes: ofViews(1, 0.03, 0.12),
    finalComments: ofViews(2, 0.002, 0.01),
    finalShares: ofViews(3, 0.002, 0.015),
    finalFavorites: ofViews(4, 0.003, 0.02),
    finalReach: ofViews(5, 0.7, 0.95),
    finalNewFollowers: ofViews(6, 0.001, 0.01),
    finalProfileViews,
    finalClicks: Math.floor(finalProfileViews * 0.3),
    halfLifeMs: Math.round(between(9, 0.5, 4) * dayMs),
    pauses: [],
    meanWatchShare,
    fullWatchRate: meanWatchShare * between(10, 0.1, 0.5),
    followerShare: between(11, 0.05, 0.4),
    newViewerShare: between(12, 0.4, 0.9),
    impressionSources: {
      'For You': 0.75,
      Follow: 0.08 + 0.1 * draw(13),
      'Personal Profile': 0.06,
      Search: 0.04,
      Sound: 0.02,
      Others: 0.01,
    },
    audienceGenders: genders(draw(14)),
    audienceCountries: falling(countries, draw(15), 0.55),
    audienceCities: falling(cities, draw(15), 0.7),
    ...set,
  };
}
