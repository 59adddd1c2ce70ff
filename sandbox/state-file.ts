import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { refuse } from './input.ts';
import { revive, type State, type StoredState, storedVersion, toStored } from './state.ts';

/** What was stored, or undefined when there is no file yet. A file that can't be used stops the start. */
export async function loadState(path: string): Promise<State | undefined> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`The state file ${path} can't be read.`, { cause: error });
  }
  const remedy = 'Name another state file, or delete this one to start afresh.';
  let stored: StoredState;
  try {
    stored = JSON.parse(content) as StoredState;
  } catch {
    return refuse('stateFile', path, 'must hold the JSON that the sandbox wrote', remedy);
  }
  if (stored?.version !== storedVersion) {
    return refuse('stateFile', path, `must hold state of version ${storedVersion}`, remedy);
  }
  return revive(stored);
}

export type StateFile = {
  /** Resolves when a file with everything that was true at the time of the call is in place. */
  save(): Promise<void>;
};

/** Writes beside the file and renames, so that a reader sees the old state or the new one. Callers that arrive during a write share the next one. */
export function stateFile(path: string, state: () => State): StateFile {
  const temporary = `${path}.${process.pid}.tmp`;
  let writing: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  async function write(): Promise<void> {
    try {
      await writeFile(temporary, JSON.stringify(toStored(state())), { mode: 0o600 });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw new Error(`The state file ${path} can't be written.`, { cause: error });
    }
  }

  function start(): Promise<void> {
    const current = write().finally(() => {
      if (writing === current) writing = undefined;
    });
    writing = current;
    return current;
  }

  return {
    save() {
      if (!writing) return start();
      next ??= writing
        .then(
          () => undefined,
          () => undefined, // its own callers have its error
        )
        .then(() => {
          next = undefined;
          return start();
        });
      return next;
    },
  };
}
