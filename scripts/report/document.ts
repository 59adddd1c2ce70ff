import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ChartData } from './charts.ts';
import { type Content, html, inlineJson, inlineSource } from './html.ts';
import { time } from './words.ts';

/** What the pages of posts and accounts differ in. */
export type PageContent = {
  /** Plain text. */
  readonly title: string;
  readonly header: Content;
  readonly main: Content;
  readonly footer: Content;
  /** Each has its canvas in `main`. */
  readonly charts: readonly ChartData[];
};

const read = (url: URL): string => readFileSync(url, 'utf8');

/** Without the address of its source map: a browser's developer tools would ask for it. */
const chartJs = (): string =>
  read(new URL('chart.umd.min.js', import.meta.resolve('chart.js'))).replace(/^\/\/# sourceMappingURL=.*$/m, '');

const sha256 = (source: string): string => `'sha256-${createHash('sha256').update(source).digest('base64')}'`;

const ICON = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#1d4ed8"/><path d="M4 12V8m4 4V4m4 8V6" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>')}`;

const TITLE_CHARACTERS = 80;

/**
 * One page with everything in it. Its policy lets it run its own two scripts and its own style, each known by its hash, and load
 * nothing: what a caption says can't become more than text.
 */
export function documentOf({ title, header, main, footer, charts }: PageContent, makeTime: Date): string {
  const style = read(new URL('style.css', import.meta.url));
  const scripts = [chartJs(), read(new URL('browser.js', import.meta.url))];
  const policy = [
    "default-src 'none'",
    `script-src ${scripts.map(sha256).join(' ')}`,
    `style-src ${sha256(style)}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const short = [...title].slice(0, TITLE_CHARACTERS).join('');
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${short} · TikTok report</title>
<link rel="icon" href="${ICON}">
<style>${inlineSource(style)}</style>
</head>
<body>
<a class="skip" href="#main">To the numbers</a>
<header><div class="inner"><p class="brand">Glowtify <span>TikTok report</span></p>
${header}
<p class="note">Made ${time(makeTime, 'BESIDE')}. Times are in UTC<span id="zone"></span>. A number that is missing is never 0: it says why.</p></div></header>
<main id="main"><noscript><p class="notice">Without scripts the charts stay empty; the tables below them have every value.</p></noscript>
${main}
</main>
<footer><div class="inner">${footer}</div></footer>
<script type="application/json" id="charts">${inlineJson(charts)}</script>
${scripts.map((source) => html`<script>${inlineSource(source)}</script>`)}
</body>
</html>
`.toString();
}
