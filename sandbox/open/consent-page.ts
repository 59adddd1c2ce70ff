import type { BusinessScope } from '../business/vocabulary.ts';
import type { Account } from '../state.ts';
import type { Scope } from './vocabulary.ts';

const escaped: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escapeHtml = (text: string) => text.replaceAll(/[&<>"']/g, (character) => escaped[character] ?? character);

const scopeTexts: Record<Scope | BusinessScope, string> = {
  'user.info.basic': 'Read your profile: name and avatar',
  'user.info.profile': 'Read your handle, bio and profile link',
  'user.info.username': 'Read your handle',
  'user.info.stats': 'Read your follower, like and video counts',
  'user.account.type': 'Read whether this is a Business account',
  'user.insights': 'Read the analytics of your account',
  'video.list': 'Read your public videos',
  'video.insights': 'Read the analytics of your videos',
  'video.upload': 'Send drafts to your inbox',
  'video.publish': 'Post content to your profile',
};

const page = (title: string, content: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; background: #f4f4f5; color: #18181b; margin: 0; }
  main { max-width: 26rem; margin: 8vh auto; padding: 2rem; background: #fff; border-radius: 1rem; }
  h1 { font-size: 1.25rem; margin: 0 0 .25rem; }
  p { margin: .25rem 0 1rem; color: #52525b; }
  fieldset { border: 0; padding: 0; margin: 0 0 1.25rem; }
  legend { font-weight: 600; padding: 0; margin-bottom: .25rem; }
  label { display: block; padding: .2rem 0; }
  small { color: #71717a; }
  button { font: inherit; width: 100%; padding: .7rem; margin-top: .5rem; border: 0; border-radius: .5rem; cursor: pointer; }
  button[value=grant] { background: #be123c; color: #fff; }
</style>
</head>
<body><main>${content}</main></body>
</html>
`;

/** The form is sent back to the URL it came from, so that the request is checked again. */
export function consentPage(clientKey: string, accounts: Iterable<Account>, requested: readonly string[]): string {
  const people = [...accounts].map((account, index) => {
    const marks = [
      account.businessAccount ? 'business' : 'personal',
      account.private ? 'private' : 'public',
      ...(account.banned ? ['banned'] : []),
    ].join(', ');
    return `<label><input type="radio" name="account" value="${escapeHtml(account.openId)}"${index === 0 ? ' checked' : ''}>
      ${escapeHtml(account.displayName)} <small>@${escapeHtml(account.username)}, ${marks}</small></label>`;
  });
  const wishes = requested.map(
    (scope) => `<label><input type="checkbox" name="scope" value="${scope}" checked>
      ${scopeTexts[scope as Scope] ?? ''} <small>${scope}</small></label>`,
  );
  return page(
    'Authorize - TikTok sandbox',
    `<h1>Connect to TikTok (sandbox)</h1>
    <p>The app <b>${escapeHtml(clientKey)}</b> asks for access. Nothing here reaches the real TikTok.</p>
    <form method="post">
      <fieldset><legend>Account</legend>${people.join('\n')}</fieldset>
      <fieldset><legend>Permissions</legend>${wishes.join('\n')}</fieldset>
      <button name="decision" value="grant">Authorize</button>
      <button name="decision" value="deny">Cancel</button>
    </form>`,
  );
}

/** Shown instead of a redirect when the app is at fault. */
export function errorPage(parameter: string, explanation: string): string {
  return page(
    'Something went wrong - TikTok sandbox',
    `<h1>Something went wrong</h1>
    <p>We couldn't log in with TikTok. This may be due to specific app settings.</p>
    <p>If you're a developer, correct the following and try again:</p>
    <p><b>${escapeHtml(parameter)}</b> <small>${escapeHtml(explanation)}</small></p>`,
  );
}
