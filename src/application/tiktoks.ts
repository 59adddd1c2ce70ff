import type { ApiFamily } from '../domain/connection/connection.ts';
import type { TikTok } from './ports/tiktok.ts';

/** The API families this service is set up for. */
export type TikToks = { readonly default: ApiFamily; readonly families: ReadonlyMap<ApiFamily, TikTok> };

/** A stored connection names a family that was served when it was made; not to find it is a fault of the set-up. */
export function tiktokOf({ families }: TikToks, family: ApiFamily): TikTok {
  const tiktok = families.get(family);
  if (tiktok === undefined) throw new Error(`this service is not set up for TikTok's ${family} API family`);
  return tiktok;
}
