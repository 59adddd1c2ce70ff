import { followEvents } from './follow-events.ts';
import type { PostEvents } from './ports/post-events.ts';

export type WatchPosts = ReturnType<typeof watchPosts>;

export const watchPosts = ({ events }: { readonly events: PostEvents }) =>
  followEvents(events, 'the posts with ListPosts');
