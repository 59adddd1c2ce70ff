/** Small, and long enough for TikTok: what is measured is the work on posts, not on bytes. */
export const VIDEO = new URL('../../test/fixtures/videos/three-seconds.mp4', import.meta.url);

/** What each post says, so that the sandbox's ledger can tell them apart. */
export const captionOf = (index: number): string => `Burst ${index}`;
