/** Places in the publish order where a fault test may stop the process. */
export type FailPointName =
  | 'claimed'
  | 'intent-stored'
  | 'announced'
  | 'ids-stored'
  | 'chunk-sent'
  | 'chunk-stored'
  | 'finalizing-stored'
  | 'last-byte-sent'
  | 'verdict-due'
  | 'verdict-read'
  | 'refresh-answered'
  | 'resealed'
  | 'video-forgotten';

/** Nothing in production; in a fault test it may never return. */
export type FailPoint = (name: FailPointName) => Promise<void> | undefined;
