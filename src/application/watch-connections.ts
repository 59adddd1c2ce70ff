import { followEvents } from './follow-events.ts';
import type { ConnectionEvents } from './ports/connection-events.ts';

export type WatchConnections = ReturnType<typeof watchConnections>;

export const watchConnections = ({ events }: { readonly events: ConnectionEvents }) =>
  followEvents(events, 'the connections with ListConnections');
