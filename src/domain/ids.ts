declare const brand: unique symbol;

/** A plain value that can't be mistaken for another of the same JavaScript type. Costs nothing at run time. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** The tenant. Given by the caller, opaque to us, compared byte for byte. */
export type WorkspaceId = Brand<string, 'WorkspaceId'>;
/** `conn_` and a body that sorts by time of creation. */
export type ConnectionId = Brand<string, 'ConnectionId'>;
/** `vid_` and a body that sorts by time of creation. */
export type VideoId = Brand<string, 'VideoId'>;
/** `post_` and a body that sorts by time of creation. */
export type PostId = Brand<string, 'PostId'>;
