import { type Diagnosis, fail, fine, warn } from './diagnosis.ts';

const GIB = 2 ** 30;
const LEAST_BYTES = GIB / 4;

/** Room for videos on a disk. */
export function diagnoseSpace(freeBytes: number, largestVideoBytes: number): Diagnosis {
  const free = `${(freeBytes / GIB).toFixed(1)} GiB are free`;
  const remedy = 'Make room, give it a larger disk, or keep videos for fewer days (VIDEO_RETENTION_DAYS).';
  if (freeBytes < LEAST_BYTES) return fail(`${free}: uploads are refused soon`, remedy);
  return freeBytes < largestVideoBytes
    ? warn(`${free}, and a video may have ${largestVideoBytes / GIB} GiB`, remedy)
    : fine(`written, read and removed; ${free}`);
}

/** `code`: what S3, or the way there, calls what went wrong. */
export function remedyOfS3(code: string): string {
  switch (code) {
    case 'NoSuchBucket':
      return 'Make the bucket, or correct its name in VIDEO_STORE: this service makes none.';
    case 'AccessDenied':
    case 'Forbidden':
      return 'Allow our account s3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload there (docs/videos.md).';
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'CredentialsProviderError':
      return 'Correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of this host.';
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
      return 'Name the region of the bucket in VIDEO_STORE (region=…).';
    default:
      return 'See whether this host reaches the endpoint of VIDEO_STORE, and whether the store is well.';
  }
}
