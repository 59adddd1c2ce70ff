import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3';
import type { MarkOwner, Marks } from '../../application/ports/marks.ts';
import { VideoStoreDown } from '../../application/ports/video-store.ts';
import { markFromText, nameOfMark, nameOfOwner, textOfMark } from './mark-text.ts';
import { LIMITS, type S3Limits, type S3Place, s3Client } from './s3-video-store.ts';

/** A mark is far shorter. */
const MOST_BYTES = 65_536;

/** Beside the videos: one object for each mark, `marks/<owner>/<mark>`. Nothing is ever written anew, so no two writers meet. */
export function s3Marks(place: S3Place, limits: S3Limits = LIMITS): Marks {
  const client = s3Client(place, limits);
  const { bucket: Bucket } = place;
  const folder = `${place.prefix}marks/`;
  const folderOf = (owner: MarkOwner): string => `${folder}${nameOfOwner(owner)}/`;

  async function* objects(Prefix: string) {
    const pages = paginateListObjectsV2({ client }, { Bucket, Prefix })[Symbol.asyncIterator]();
    for (let page = await orDown(pages.next()); !page.done; page = await orDown(pages.next())) {
      yield* page.value.Contents ?? [];
    }
  }

  async function textIn(Key: string | undefined): Promise<string> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, Range: `bytes=0-${MOST_BYTES - 1}` }));
    if (Body === undefined) throw new Error(`${Key} came without its bytes`);
    return Body.transformToString();
  }

  return {
    async leave(owner, mark) {
      const Key = folderOf(owner) + nameOfMark(mark);
      await orDown(client.send(new PutObjectCommand({ Bucket, Key, Body: textOfMark(mark) })));
    },

    async of(owner) {
      const marks = [];
      for await (const { Key } of objects(folderOf(owner))) marks.push(markFromText(await orDown(textIn(Key))));
      return marks;
    },

    async dropBefore(time) {
      let dropped = 0;
      for await (const { Key, LastModified } of objects(folder)) {
        if (LastModified === undefined || LastModified >= time) continue;
        await orDown(client.send(new DeleteObjectCommand({ Bucket, Key })));
        dropped += 1;
      }
      return dropped;
    },

    close: () => client.destroy(),
  };
}

/** Whatever the reason, also one that only the operator can mend: without its marks no post goes out, and none is to blame. */
async function orDown<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw new VideoStoreDown('the marks of posts can not be used right now', { cause: error });
  }
}
