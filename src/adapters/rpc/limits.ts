const KIB = 2 ** 10;
const MIB = 2 ** 20;
const MINUTE = 60;
const HOUR = 60 * MINUTE;

/**
 * What one caller may take of this process: one object for both servers and every RPC. The defaults are for the open road; tests
 * hand in shorter times.
 */
export type RpcLimits = {
  /** The largest request message, as it is sent and again when it is unpacked. */
  readonly messageBytes: number;
  /** The same for UploadVideo: room for a chunk that is too large, so that it is refused in words. */
  readonly uploadMessageBytes: number;

  /** Deadline of a call that brings none. */
  readonly unarySeconds: number;
  readonly uploadSeconds: number;
  /** Longest deadline that a caller may bring: what is beyond has a wrong unit. */
  readonly longestUnarySeconds: number;
  /** The same for uploads and for watches, which need no deadline. */
  readonly longestStreamSeconds: number;

  /** How long the body of a request may take to arrive. Uploads have the next two instead. */
  readonly bodyMilliseconds: number;
  /** How long an upload may be waited for in all, beyond what its bytes take at `uploadBytesPerSecond`. */
  readonly uploadPatienceMilliseconds: number;
  readonly uploadBytesPerSecond: number;
  /** How long a client may go on sending what nobody reads any more. */
  readonly lingerMilliseconds: number;

  /** How long an HTTP/2 client may take to say its first words, which are its settings. */
  readonly greetingMilliseconds: number;
  /** How long an HTTP/2 connection is kept on which no call is open. */
  readonly idleMilliseconds: number;
  /** How often the other side of an HTTP/2 connection has to answer. */
  readonly pingMilliseconds: number;
  readonly streamsPerConnection: number;
  /** Streams that a client may reset: so many at once, and so many more for each second. */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  readonly headerBytes: number;

  /** Watches of our health at once, of all callers together: they need no login, and last as long as they like. */
  readonly healthWatches: number;
};

export const RPC_LIMITS: RpcLimits = {
  messageBytes: MIB,
  uploadMessageBytes: 5 * MIB,
  unarySeconds: 30,
  uploadSeconds: HOUR,
  longestUnarySeconds: 10 * MINUTE,
  longestStreamSeconds: 24 * HOUR,
  bodyMilliseconds: 30_000,
  uploadPatienceMilliseconds: 120_000,
  uploadBytesPerSecond: 8 * KIB,
  lingerMilliseconds: 5_000,
  greetingMilliseconds: 15_000,
  idleMilliseconds: 5 * 60_000,
  pingMilliseconds: 30_000,
  streamsPerConnection: 100,
  resetBurst: 1_000,
  resetsPerSecond: 33,
  headerBytes: 16 * KIB,
  healthWatches: 1_000,
};
