import type { Log } from '../../src/application/ports/log.ts';

export type LogLine = { readonly level: 'info' | 'warn' | 'error'; readonly fields: object; readonly message: string };

export function recordingLog(): Log & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: LogLine['level']) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  return { lines, info: at('info'), warn: at('warn'), error: at('error') };
}
