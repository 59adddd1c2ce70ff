/** Structured log lines. Fields never hold secrets; ids of posts, connections and TikTok's log ids belong here. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
