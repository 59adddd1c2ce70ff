import { type Connection, ConnectionState } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_pb.js';
import { type Content, type Html, html } from './html.ts';

/** The name that people know the account by. */
export function accountName({ account, connectionId }: Connection): string {
  if (account === undefined) return connectionId;
  if (account.displayName !== '') return account.displayName;
  return account.username === '' ? connectionId : `@${account.username}`;
}

export const handle = ({ account }: Connection): Content =>
  account === undefined || account.username === '' ? undefined : html`<span>@<bdi>${account.username}</bdi></span>`;

export const accountLine = (connection: Connection): Html =>
  html`<span><strong><bdi>${accountName(connection)}</bdi></strong></span>${handle(connection)}`;

/** Only to a place on the web: an address of another scheme does not become a link. */
export const link = (text: string, address: string): Content =>
  /^https?:\/\//i.test(address) && URL.canParse(address)
    ? html`<a href="${address}" target="_blank" rel="noopener noreferrer">${text}</a>`
    : undefined;

export const sandboxNotice = ({ sandbox }: Connection): Content =>
  sandbox
    ? html`<p class="notice">These numbers are of the sandbox: nothing of this is on TikTok, and its links lead nowhere.</p>`
    : undefined;

export function stateNotice({ state }: Connection): Content {
  switch (state) {
    case ConnectionState.RECONNECT_REQUIRED:
      return html`<p class="notice">TikTok no longer accepts the grant of this account: reconnect it, or its numbers stay as they are.</p>`;
    case ConnectionState.DISCONNECTED:
      return html`<p class="notice">This account was disconnected: its numbers stay as they are.</p>`;
    case ConnectionState.ACTIVE:
    case ConnectionState.UNSPECIFIED:
      return undefined;
  }
}
