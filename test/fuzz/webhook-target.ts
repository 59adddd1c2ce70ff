import { createHmac } from 'node:crypto';
import { readWebhook, signerOf } from '../../src/adapters/http/signed-webhook.ts';
import { Secret } from '../../src/domain/secret.ts';
import { signatureOf, webhookBody } from '../support/webhooks.ts';
import { Finding, type Target } from './target.ts';

const SECRET = 'test_client_secret_0001';
const APP = { apiFamily: 'OPEN', clientKey: 'key', clientSecrets: [new Secret(SECRET)] } as const;

/** A header, a line feed and a body: taken only when it is signed with our secret, and read whatever it is. */
export async function webhookTarget(): Promise<Target> {
  const bodies = [
    webhookBody({ event: 'post.publish.complete', user_openid: 'o' }, { publish_id: 'p~1' }),
    webhookBody({ event: 'authorization.removed', user_openid: 'o' }, { reason: 1 }),
  ];
  return {
    name: 'webhook',
    seeds: bodies.map((body) => Buffer.from(`${signatureOf(body, SECRET)}\n${body}`)),
    async run(input) {
      const end = input.indexOf(0x0a);
      const header = input.subarray(0, end === -1 ? input.length : end).toString('latin1');
      const body = end === -1 ? Buffer.alloc(0) : input.subarray(end + 1);
      const { subject, id } = readWebhook(body, APP);
      if (!/^[0-9a-f]{64}$/.test(id) || !['POST', 'GRANT', 'NOTHING'].includes(subject.kind)) {
        throw new Finding(`read as ${JSON.stringify(subject)}`);
      }
      if (signerOf([APP], header, body) === undefined) return;
      // Judged in another way: some time in the header has its digest over this body there as well.
      const times = [...header.matchAll(/(?<=t=)\d+/g)].map(([time]) => time);
      const digests = times.map((time) => createHmac('sha256', SECRET).update(`${time}.`).update(body).digest('hex'));
      if (!digests.some((digest) => header.includes(`s=${digest}`))) throw new Finding(`taken with ${header}`);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
