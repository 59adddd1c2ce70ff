import type { Endpoint } from '../endpoint.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Pulls } from '../pulls.ts';
import type { Account } from '../state.ts';
import { type Regime, type Tokens, tokenDesk } from '../tokens.ts';
import type { World } from '../world.ts';
import { authorizeEndpoint } from './authorize.ts';
import { bearerEndpoint } from './bearer.ts';
import { creatorInfoEndpoint } from './creator-info.ts';
import { initEndpoints } from './init.ts';
import { oauthEndpoints } from './oauth.ts';
import { statusEndpoints } from './status.ts';
import { videoUploads } from './upload.ts';
import { userInfoEndpoint } from './user-info.ts';
import { videoEndpoints } from './videos.ts';

/** All that `open.tiktokapis.com` and its neighbours serve. */
export type OpenFamily = {
  readonly endpoints: readonly Endpoint[];
  readonly tokens: Tokens;
  /** Before the state is replaced or the sandbox ends: breaks off what is under way. */
  stop(): void;
};

const regimes: Record<'legacy' | 'rotating', Regime> = {
  legacy: { accessSeconds: 86_400, refreshSeconds: 31_536_000, rotates: false, extends: false },
  rotating: { accessSeconds: 7_200, refreshSeconds: 15_552_000, rotates: true, extends: true },
};

export function openFamily(
  world: World,
  { lifecycle, pulls }: { lifecycle: Lifecycle; pulls: Pulls },
  findAccount: (name: string) => Account | undefined,
): OpenFamily {
  const regime = () => regimes[world.state.settings.tokenRegime];
  const tokens = tokenDesk(world, 'OPEN', regime, lifecycle.authorizationEnded);
  const uploads = videoUploads(world, lifecycle);
  const withToken = [
    userInfoEndpoint(world),
    creatorInfoEndpoint(world),
    ...initEndpoints(world, pulls),
    ...statusEndpoints(world, pulls),
    ...videoEndpoints(world),
  ];
  return {
    endpoints: [
      authorizeEndpoint(world, findAccount),
      ...oauthEndpoints(world, tokens),
      ...withToken.map((endpoint) => bearerEndpoint(world, tokens, endpoint)),
      uploads.endpoint,
    ],
    tokens,
    stop: () => uploads.clear(),
  };
}
