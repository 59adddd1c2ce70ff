import { CreateBucketCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { readConfig } from '../../src/config.ts';

/** Makes the bucket of VIDEO_STORE unless it is there: the service itself never makes one. */
const { videoStore } = readConfig(process.env);
if (videoStore.kind !== 'S3') throw new Error('VIDEO_STORE names no bucket');
const { bucket, region, endpoint, pathStyle } = videoStore;
const client = new S3Client({
  region,
  ...(endpoint === undefined ? {} : { endpoint }),
  forcePathStyle: pathStyle,
  maxAttempts: 10,
});
try {
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  console.log(`made the bucket ${bucket}`);
} catch (error) {
  if (!(error instanceof S3ServiceException && error.name === 'BucketAlreadyOwnedByYou')) throw error;
  console.log(`the bucket ${bucket} is there`);
}
