import { Agent } from 'undici';

/**
 * Asks an address of TikTok's for its head, once. Whatever it answers is an answer: its HTTP status, and how far its clock is ahead of
 * this host's (negative: behind; undefined when it does not say). Off by a second at most, since it tells whole seconds. Throws when
 * nothing answers.
 */
export async function reach(
  url: string,
  {
    connectMilliseconds,
    withinMilliseconds,
  }: { readonly connectMilliseconds: number; readonly withinMilliseconds: number },
): Promise<{ readonly status: number; readonly aheadMilliseconds: number | undefined }> {
  const agent = new Agent({ connect: { timeout: connectMilliseconds }, headersTimeout: withinMilliseconds });
  try {
    const { origin, pathname } = new URL(url);
    const before = Date.now();
    const { statusCode, headers } = await agent.request({ origin, path: pathname, method: 'HEAD' });
    const middle = (before + Date.now()) / 2;
    const date = Date.parse(String(headers['date']));
    return { status: statusCode, aheadMilliseconds: Number.isNaN(date) ? undefined : date + 500 - middle };
  } finally {
    await agent.destroy();
  }
}
