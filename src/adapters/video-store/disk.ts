import { VideoStoreDown } from '../../application/ports/video-store.ts';

/** How long the disk is waited for, for one step. Less than TikTok is waited for, or it would be taken for TikTok's silence. */
export const DISK_STEP_MILLISECONDS = 30_000;

/** What a disk says that fails, was set to read only, is a network away or has too many files open: not that we may not, or made a mistake. */
const DISK_TROUBLE = new Set([
  ...['EIO', 'EROFS', 'ENODEV', 'ENXIO', 'EBUSY', 'EAGAIN', 'EMFILE', 'ENFILE'],
  ...['ESTALE', 'ETIMEDOUT', 'ENOTCONN', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENETUNREACH'],
]);

/**
 * A step that the disk never ends goes on behind our back, and nobody waits for it any more: `VideoStoreDown`, as when the disk fails. Other
 * errors are thrown on.
 */
export async function answered<T>(step: Promise<T>, milliseconds: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new VideoStoreDown(`the disk of the video store did not answer within ${milliseconds / 1000} s`)),
    milliseconds,
  );
  try {
    return await Promise.race([step, late.promise]);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined || !DISK_TROUBLE.has(code)) throw error;
    throw new VideoStoreDown('the disk of the video store can not be used right now', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
