/** Each watcher has a workspace of its own. */
export const watchedWorkspace = (index: number): string => `ws_watched_${index}`;
