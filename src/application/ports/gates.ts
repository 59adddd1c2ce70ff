import type { Closing, GateKey } from '../../domain/post/gate.ts';
import type { PublishError } from '../../domain/publish-error.ts';

export type ShutGate = {
  readonly key: GateKey;
  /** Why. */
  readonly error: PublishError;
  /** When one may try again, or the one who tries is given up on. */
  readonly until: Date;
  /** Somebody is trying. */
  readonly tried: boolean;
};

/** What bars posts from going out, known to all workers. */
export interface Gates {
  /**
   * Whether one may pass all of `keys`. Of those whose time has come, one caller at a time is let through to try: `trying` names
   * them for that caller, others find them shut for `trySeconds` more.
   */
  pass(
    keys: readonly GateKey[],
    trySeconds: number,
  ): Promise<{ readonly shut: ShutGate } | { readonly shut?: undefined; readonly trying: readonly GateKey[] }>;
  /** Shuts one, or keeps it shut longer after a try. Repeating it while it is shut changes nothing. Gives until when. */
  shut(closing: Closing, error: PublishError): Promise<Date>;
  /** Who comes next tries, as if the time had come. */
  hasten(keys: readonly GateKey[]): Promise<void>;
  /** Who tried them asked nobody in the end: the next one tries. */
  handBack(keys: readonly GateKey[]): Promise<void>;
  /** True when it was shut. */
  open(key: GateKey): Promise<boolean>;
  /** Every one that is shut, or those of `among`. Nobody tries one by that. */
  all(among?: readonly GateKey[]): Promise<readonly ShutGate[]>;
}
