/** 32 random bytes. The id is stored with everything the key seals. */
export type Key = { readonly id: string; readonly bytes: Uint8Array };

/** Newest first: the first one seals, all of them open. */
export type KeyRing = readonly [Key, ...Key[]];

/**
 * Where the keys come from that seal stored secrets: settings, a file, or a key management service that unwraps them. Asked once, at
 * the start; to turn the keys, processes are started anew one after the other.
 */
export interface KeyProvider {
  /** Throws, with the remedy and without any key, when there is none that can be used. May take as long as it likes: who asks sets the limit. */
  keyRing(): Promise<KeyRing>;
}
