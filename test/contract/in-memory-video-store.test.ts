import { inMemoryVideoStore } from '../support/in-memory-video-store.ts';
import { videoStoreContract } from './video-store.contract.ts';

videoStoreContract('an in-memory fake', async () => inMemoryVideoStore());
