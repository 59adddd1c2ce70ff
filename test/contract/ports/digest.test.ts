import { canonicalDigest } from '../../../src/adapters/system/canonical-digest.ts';
import { canonicalDigest as fakeDigest } from '../../support/canonical-digest.ts';
import { digestContract } from './digest.contract.ts';

digestContract('canonicalDigest', canonicalDigest);
digestContract('the one that tests use', fakeDigest);
