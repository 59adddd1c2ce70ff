import type { Finding } from '../finding.ts';

/**
 * TikTok counts a caption in "UTF-16 runes" (open-api §4.2, documented); we read that as UTF-16 code units, the stricter
 * reading: an emoji counts two or more.
 */
export const CAPTION_LIMIT = 2_200;

const HASHTAG = /(?<![^\s])#([\p{L}\p{M}\p{N}_]+)/gu;
const MENTION = /(?<![^\s])@([\p{L}\p{M}\p{N}_](?:[\p{L}\p{M}\p{N}_.]*[\p{L}\p{M}\p{N}_])?)/gu;

const all = (pattern: RegExp, caption: string): readonly string[] =>
  Array.from(caption.matchAll(pattern), (match) => match[1] ?? '');

/** In order, without `#`. TikTok sets them apart by spaces and line breaks only (open-api §4.2): `a#b` has none. */
export const hashtags = (caption: string): readonly string[] => all(HASHTAG, caption);

/** In order, without `@`, set apart like hashtags. A full stop ends a sentence, not a name. */
export const mentions = (caption: string): readonly string[] => all(MENTION, caption);

/** A draft's caption is written in the TikTok app; TikTok ignores ours (open-api §4.3), so it may be empty. */
export function checkCaption(caption: string, { draft }: { readonly draft: boolean }): readonly Finding[] {
  if (caption.length > CAPTION_LIMIT) {
    return [
      {
        code: 'CAPTION_TOO_LONG',
        severity: 'ERROR',
        field: 'caption',
        message: `The caption is too long for TikTok by ${caption.length - CAPTION_LIMIT} characters.`,
        remedy: `Shorten it to ${CAPTION_LIMIT} characters; hashtags count, and an emoji counts two or more.`,
        observed: `${caption.length} UTF-16 units`,
        limit: `at most ${CAPTION_LIMIT} UTF-16 units`,
      },
    ];
  }
  if (!draft && caption.trim() === '') {
    return [
      {
        code: 'CAPTION_REQUIRED',
        severity: 'ERROR',
        field: 'caption',
        message: 'The post has no caption.',
        remedy: 'Write a caption; hashtags alone are enough.',
        observed: `${caption.length} UTF-16 units, none visible`,
        limit: `1 to ${CAPTION_LIMIT} UTF-16 units`,
      },
    ];
  }
  return [];
}
