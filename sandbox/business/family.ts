import type { Endpoint } from '../endpoint.ts';
import { type Answer, plain } from '../http.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Pulls } from '../pulls.ts';
import { type Tokens, tokenDesk } from '../tokens.ts';
import type { World } from '../world.ts';
import { businessAccount } from './account.ts';
import { deny } from './answers.ts';
import { accountEndpoint, prefix } from './endpoints.ts';
import { businessLimits } from './limits.ts';
import { businessOAuth } from './oauth.ts';
import { propertyEndpoints } from './properties.ts';
import { businessPublishing } from './publishing.ts';
import { businessVideos } from './videos.ts';
import { webhookSettings } from './webhook-settings.ts';

/** All that the Accounts API of `business-api.tiktok.com` serves for publishing. */
export type BusinessFamily = {
  readonly endpoints: readonly Endpoint[];
  readonly tokens: Tokens;
  /** The answer to a path of this API that nobody serves. */
  unknown(url: URL): Answer | undefined;
  /** Before the state is replaced or the sandbox ends. */
  stop(): void;
};

const daySeconds = 86_400;

export function businessFamily(
  world: World,
  { lifecycle, pulls }: { lifecycle: Lifecycle; pulls: Pulls },
): BusinessFamily {
  const regime = () => ({
    accessSeconds: daySeconds,
    refreshSeconds: 365 * daySeconds,
    rotates: world.state.settings.businessRefresh === 'rotated',
    extends: false,
  });
  const tokens = tokenDesk(world, 'BUSINESS', regime, lifecycle.authorizationEnded);
  const limits = businessLimits(world);
  const ofAccounts = [businessAccount(world), ...businessPublishing(world, limits, pulls), businessVideos(world)];
  return {
    endpoints: [
      ...businessOAuth(world, tokens),
      ...ofAccounts.map((endpoint) => accountEndpoint(world, tokens, limits, endpoint)),
      ...propertyEndpoints(world),
      ...webhookSettings(world),
    ],
    tokens,
    unknown({ pathname }) {
      if (!pathname.startsWith(`${prefix}/`)) return undefined;
      // The edge knows no path without its slash, and answers before the API does.
      return pathname.endsWith('/') ? deny(world, { code: 40008 }) : plain(404, '404 page not found');
    },
    stop: () => limits.clear(),
  };
}
