import { parentPort, workerData } from 'node:worker_threads';
import { Agent, request } from 'undici';

/** In a thread of its own, so that what it costs to send is no burden on who receives. Posts its statuses when all are sent. */
export type Flood = {
  readonly url: string;
  readonly requests: number;
  readonly connections: number;
  readonly bodyBytes: number;
  readonly signature: string;
};

const { url, requests, connections, bodyBytes, signature }: Flood = workerData;
const agent = new Agent({ connections, pipelining: 1 });
const body = Buffer.alloc(bodyBytes, 'x');
const statuses: Record<number, number> = {};
let left = requests;

async function send(): Promise<void> {
  while (left > 0) {
    left -= 1;
    const options = { method: 'POST', dispatcher: agent, headers: { 'tiktok-signature': signature }, body } as const;
    const answer = await request(url, options);
    await answer.body.dump();
    statuses[answer.statusCode] = (statuses[answer.statusCode] ?? 0) + 1;
  }
}

await Promise.all(Array.from({ length: connections }, send));
await agent.destroy();
parentPort?.postMessage(statuses);
