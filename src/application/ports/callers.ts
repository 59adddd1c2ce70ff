import type { Caller, Login, LoginRefusal } from '../../domain/caller.ts';
import type { Result } from '../../domain/result.ts';

/** Those who may call. Who they are may change at any time: ask again for every call, and before every message of a long one. */
export interface Callers {
  identify(login: Login): Promise<Result<Caller, LoginRefusal>>;
}
