import type { Share } from '../insights/shares.ts';
import type { CurvePoint, VideoInsights } from '../insights/video-insights.ts';
import type { Settings } from '../state.ts';
import type { BusinessScope } from './vocabulary.ts';

/** What is known of a video at once. */
const metadataScopes = {
  item_id: 'video.list',
  media_type: 'video.list',
  is_ad: 'video.list',
  create_time: 'video.list',
  caption: 'video.list',
  thumbnail_url: 'video.list',
  share_url: 'video.list',
  embed_url: 'video.list',
} as const satisfies Record<string, BusinessScope>;
export type MetadataField = keyof typeof metadataScopes;

/** Our name of it, and of a list, what TikTok calls an element's name. */
type Late = { readonly scope: BusinessScope; readonly name: keyof VideoInsights; readonly element?: string };

const listed = (name: keyof VideoInsights): Late => ({ scope: 'video.list', name });
const insight = (name: keyof VideoInsights, element?: string): Late => ({
  ...{ scope: 'video.insights', name },
  ...(element === undefined ? {} : { element }),
});

const lateFields = {
  video_duration: listed('durationSeconds'),
  video_views: listed('views'),
  likes: listed('likes'),
  comments: listed('comments'),
  shares: listed('shares'),
  favorites: listed('favorites'),
  reach: listed('reach'),
  total_time_watched: insight('totalWatchSeconds'),
  average_time_watched: insight('averageWatchSeconds'),
  full_video_watched_rate: insight('fullWatchRate'),
  video_view_retention: insight('retention', 'second'),
  engagement_likes: insight('likesBySecond', 'second'),
  impression_sources: insight('impressionSources', 'impression_source'),
  audience_types: insight('audienceTypes', 'type'),
  audience_genders: insight('audienceGenders', 'gender'),
  audience_countries: insight('audienceCountries', 'country'),
  audience_cities: insight('audienceCities', 'city_name'),
  new_followers: insight('newFollowers'),
  profile_views: insight('profileViews'),
  website_clicks: insight('websiteClicks'),
  phone_number_clicks: insight('phoneNumberClicks'),
  lead_submissions: insight('leadSubmissions'),
  app_download_clicks: insight('appDownloadClicks'),
  email_clicks: insight('emailClicks'),
  address_clicks: insight('addressClicks'),
} as const satisfies Record<string, Late>;
type LateField = keyof typeof lateFields;

export type VideoField = MetadataField | LateField;
export const videoScopes: Readonly<Record<VideoField, BusinessScope>> = {
  ...metadataScopes,
  ...(Object.fromEntries(Object.entries(lateFields).map(([field, { scope }]) => [field, scope])) as Record<
    LateField,
    BusinessScope
  >),
};

const isLate = (field: VideoField): field is LateField => Object.hasOwn(lateFields, field);

/** TikTok's form of a list. */
export const elements = (list: readonly (Share | CurvePoint)[], name: string): object[] =>
  list.map((item) => ({
    [name]: 'second' in item ? String(item.second) : item.name,
    percentage: item.fraction,
  }));

/** The fields that were asked for, in TikTok's form. What is withheld has no key, whatever `gap` says. */
export function videoObject(
  fields: readonly VideoField[],
  known: {
    metadata: Readonly<Record<MetadataField, unknown>>;
    values: Partial<VideoInsights>;
    withheld: ReadonlySet<keyof VideoInsights>;
    gap: Settings['insightsGap'];
  },
): Record<string, unknown> {
  const video: Record<string, unknown> = {};
  for (const field of fields) {
    if (!isLate(field)) {
      video[field] = known.metadata[field];
      continue;
    }
    const { name, element }: Late = lateFields[field];
    const value = known.values[name];
    if (typeof value === 'number') video[field] = value;
    else if (value !== undefined && element !== undefined) video[field] = elements(value, element);
    else if (known.gap !== 'missing' && !known.withheld.has(name)) {
      video[field] = known.gap === 'null' ? null : element === undefined ? 0 : [];
    }
  }
  return video;
}
