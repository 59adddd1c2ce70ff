import { Secret } from '../../../domain/secret.ts';

/** What calls as an account: this family wants its open_id in every call, beside the token. */
export type Credential = { readonly openId: string; readonly token: Secret };

/** Both as one, as it is stored. Neither has a space. */
export const credentialText = (openId: string, token: string): Secret => new Secret(`${openId} ${token}`);

/** Undefined when it is not of this family's making. */
export function readCredential(accessToken: Secret): Credential | undefined {
  const [openId, token, more] = accessToken.reveal().split(' ');
  return openId && token && more === undefined ? { openId, token: new Secret(token) } : undefined;
}
