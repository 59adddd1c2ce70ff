/** Environments that give a process of the service what a test can't reach from outside. */

const preload = (file: string, ...options: string[]) => ({
  NODE_OPTIONS: [`--import=${new URL(file, import.meta.url).href}`, ...options].join(' '),
});

/** Its wall clock is wrong by so much. */
export const clockWrongBy = (seconds: number): Readonly<Record<string, string>> => ({
  ...preload('./skewed-clock.ts'),
  CLOCK_SKEW_SECONDS: String(seconds),
});

/** It dies, as by SIGKILL, the moment it calls TikTok at `path` with `text` in the headers or the body. */
export const diesCalling = (path: string, text: string): Readonly<Record<string, string>> => ({
  ...preload('./fatal-call.ts'),
  FATAL_CALL_PATH: path,
  FATAL_CALL_TEXT: text,
});

/** What it does with files below `folder` meets what the file `fault` says (`failing-disk.ts`). */
export const diskThatFails = (folder: string, fault: string): Readonly<Record<string, string>> => ({
  ...preload('./failing-disk.ts'),
  DISK_FOLDER: folder,
  DISK_FAULT: fault,
});

/** All names lead to this machine, unless the file `fault` says what happens to look-ups (`failing-names.ts`). */
export const namesThatFail = (fault: string): Readonly<Record<string, string>> => ({
  ...preload('./failing-names.ts'),
  NAMES_FAULT: fault,
});

/** It breaks on SIGUSR2 (`breaking.ts`); its memory is small enough to be filled soon. */
export const breaksBy = (way: 'rejection' | 'exception' | 'memory'): Readonly<Record<string, string>> => ({
  ...preload('./breaking.ts', '--max-old-space-size=160'),
  BREAKS_BY: way,
});
