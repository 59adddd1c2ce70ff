import type { PublishError } from '../../domain/publish-error.ts';
import { type Diagnosis, fail, fine, warn } from './diagnosis.ts';

export type TikTokFacts = {
  /** HTTP status of what answered at all. */
  readonly status: number;
  /** Undefined: it knows the app, and refused a refresh token that nobody has. `GRANTED`: it gave tokens for that. Else why it did not say. */
  readonly said: undefined | 'GRANTED' | PublishError['code'];
};

/** `credentials`: the settings of the app. */
export function diagnoseTikTok({ status, said }: TikTokFacts, credentials: string): readonly Diagnosis[] {
  switch (said) {
    case undefined:
      return [fine('it answers and knows our app')];
    case 'GRANTED':
      return [fail('it gave tokens for a refresh token that nobody has', 'This is not TikTok: correct its address.')];
    case 'APP_CREDENTIALS_REJECTED':
      return [
        fail(
          'it refuses our app',
          `Compare ${credentials} with the app's page at TikTok; a sandbox app has a pair of its own.`,
        ),
      ];
    default:
      return [
        warn(
          `something answers (HTTP ${status}), but whether it knows our app it did not say (${said})`,
          "Look at TikTok's status and try again in some minutes; if it stays, see whether a proxy answers in its place.",
        ),
      ];
  }
}
