import { randomUUID } from 'node:crypto';
import { s3VideoStore } from '../../src/adapters/video-store/s3-video-store.ts';
import { videoStoreContract } from './video-store.contract.ts';

const real = process.env['S3_TEST_URL'];
const url = new URL(real ?? '');
videoStoreContract('S3', async () =>
  s3VideoStore({ bucket: url.hostname, prefix: `${randomUUID()}/`, region: 'us-east-1', endpoint: url.searchParams.get('endpoint') ?? '', pathStyle: true }),
);
