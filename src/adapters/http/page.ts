import { createHash } from 'node:crypto';
import { Html, html } from './html.ts';

const STYLE = `
:root { color-scheme: light dark; --ground: #f4f4f6; --card: #fff; --text: #17171c; --soft: #5b5b66; --line: #dedee4; --good: #0b7a4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ground: #101014; --card: #1b1b21; --text: #f1f1f4; --soft: #a9a9b4; --line: #33333c; --good: #58d69a; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 1.5rem; background: var(--ground); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 30rem; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 1rem; overflow-wrap: anywhere; }
h1 { margin: 0 0 .75rem; font-size: 1.375rem; line-height: 1.3; }
.good h1 { color: var(--good); }
.bad h1 { color: var(--bad); }
p { margin: 0 0 .75rem; }
p:last-child { margin-bottom: 0; }
.soft { color: var(--soft); font-size: .875rem; }
`;

/** Nothing but the page itself and its one style: no script, no address, no frame around it. */
export const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
} as const;

const page = (tone: 'good' | 'bad', title: string, body: Html): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main class="${tone}">
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`.toString();

export const connectedPage = (account: { readonly name: string; readonly sandbox: boolean }): string =>
  page(
    'good',
    'TikTok account connected',
    html`<p><strong><bdi>${account.name}</bdi></strong> can now be published to.</p>
${account.sandbox ? html`<p>This is the sandbox: nothing reaches TikTok.</p>` : ''}
<p class="soft">You can close this window.</p>`,
  );

export const failedPage = (failure: {
  readonly message: string;
  readonly remedy: string;
  /** For support. */
  readonly reason: string;
}): string =>
  page(
    'bad',
    'TikTok account not connected',
    html`<p role="alert">${failure.message}</p>
<p>${failure.remedy}</p>
<p class="soft">Code: ${failure.reason}</p>`,
  );
