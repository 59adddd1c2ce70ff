import type { Endpoint } from '../endpoint.ts';
import type { Account } from '../state.ts';
import type { World } from '../world.ts';
import { authorizeEndpoint } from './authorize.ts';
import { bearerEndpoint } from './bearer.ts';
import { creatorInfoEndpoint } from './creator-info.ts';
import { initEndpoints } from './init.ts';
import { type Lifecycle, publishLifecycle } from './lifecycle.ts';
import { oauthEndpoints } from './oauth.ts';
import { pullDownloads } from './pull.ts';
import { statusEndpoints } from './status.ts';
import { type Tokens, tokenDesk } from './tokens.ts';
import { videoUploads } from './upload.ts';
import { userInfoEndpoint } from './user-info.ts';
import { videoEndpoints } from './videos.ts';

/** All that `open.tiktokapis.com` and its neighbours serve. */
export type OpenFamily = {
  readonly endpoints: readonly Endpoint[];
  readonly tokens: Tokens;
  readonly lifecycle: Lifecycle;
  /** After the state was loaded: goes on with what was under way. */
  resume(): void;
  /** Before the state is replaced or the sandbox ends: breaks off what is under way. */
  stop(): Promise<void>;
};

export function openFamily(world: World, findAccount: (name: string) => Account | undefined): OpenFamily {
  const lifecycle = publishLifecycle(world);
  const tokens = tokenDesk(world, lifecycle.authorizationEnded);
  const uploads = videoUploads(world, lifecycle);
  const pulls = pullDownloads(world, lifecycle);
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
    lifecycle,
    resume() {
      lifecycle.resume();
      pulls.resume();
    },
    async stop() {
      uploads.clear();
      await pulls.close();
    },
  };
}
