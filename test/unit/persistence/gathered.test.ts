import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { gathered, isOnesFault } from '../../../src/adapters/persistence/gathered.ts';

/** A statement that is answered when the test says so. */
function slowly() {
  const batches: { readonly inputs: readonly number[]; answer(): void; fail(error: unknown): void }[] = [];
  const run = (inputs: readonly number[]): Promise<readonly string[]> => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    batches.push({ inputs, answer: () => resolve(inputs.map((input) => `answer to ${input}`)), fail: reject });
    return promise;
  };
  return { batches, run, asked: () => batches.map(({ inputs }) => inputs) };
}

const sqlError = (code: string): Error => Object.assign(new Error('the database refuses'), { code });

describe('calls that are gathered', () => {
  it('go together when they come in one turn, and each gets its own answer', async () => {
    const { run, batches, asked } = slowly();
    const ask = gathered({ run });
    const answers = Promise.all([ask(3), ask(1), ask(2)]);
    await nextTurn();
    expect(asked()).toEqual([[3, 1, 2]]);
    batches[0]?.answer();
    expect(await answers).toEqual(['answer to 3', 'answer to 1', 'answer to 2']);
  });

  it('wait while two statements are under way, and then go together', async () => {
    const { run, batches, asked } = slowly();
    const ask = gathered({ run });
    const answers = [ask(1)];
    await nextTurn();
    answers.push(ask(2));
    await nextTurn();
    answers.push(ask(3));
    await nextTurn();
    answers.push(ask(4));
    await nextTurn();
    expect(asked()).toEqual([[1], [2]]);
    batches[0]?.answer();
    await answers[0];
    await nextTurn();
    expect(asked()).toEqual([[1], [2], [3, 4]]);
    for (const { answer } of batches) answer();
    expect(await Promise.all(answers)).toHaveLength(4);
  });

  it('are at most 64 in one statement', async () => {
    const { run, batches, asked } = slowly();
    const ask = gathered({ run });
    const answers = Promise.all(Array.from({ length: 130 }, (_, index) => ask(index)));
    await nextTurn();
    expect(asked().map(({ length }) => length)).toEqual([64, 64]);
    for (const { answer } of batches) answer();
    await nextTurn();
    batches[2]?.answer();
    expect(await answers).toHaveLength(130);
    expect(batches[2]?.inputs).toEqual([128, 129]);
  });

  it('of one key are answered one after the other, in their order, and keep no others waiting', async () => {
    const { run, batches, asked } = slowly();
    const ask = gathered({ run, keyOf: (input) => (input < 10 ? 'same' : String(input)) });
    const answers = Promise.all([ask(1), ask(2), ask(10), ask(3)]);
    await nextTurn();
    expect(asked()).toEqual([[1, 10]]);
    batches[0]?.answer();
    await nextTurn();
    expect(asked()).toEqual([[1, 10], [2]]);
    batches[1]?.answer();
    await nextTurn();
    batches[2]?.answer();
    expect(await answers).toHaveLength(4);
    expect(asked()).toEqual([[1, 10], [2], [3]]);
  });

  it('fail together when nobody of them is to blame, and are not asked again', async () => {
    const { run, batches } = slowly();
    const ask = gathered({ run, isOnesFault });
    const answers = Promise.allSettled([ask(1), ask(2)]);
    await nextTurn();
    batches[0]?.fail(sqlError('57P01'));
    expect((await answers).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(batches).toHaveLength(1);
    const after = ask(3);
    await nextTurn();
    batches[1]?.answer();
    expect(await after).toBe('answer to 3');
  });

  it.each(['22P05', '23505', '40P01'])('are asked one by one when one of them may be to blame (%s)', async (code) => {
    const poison = 2;
    const run = async (inputs: readonly number[]): Promise<readonly number[]> => {
      if (inputs.includes(poison)) throw sqlError(code);
      return inputs;
    };
    const ask = gathered({ run, isOnesFault });
    const [one, two, three] = await Promise.allSettled([ask(1), ask(poison), ask(3)]);
    expect(one).toEqual({ status: 'fulfilled', value: 1 });
    expect(two).toEqual({ status: 'rejected', reason: sqlError(code) });
    expect(three).toEqual({ status: 'fulfilled', value: 3 });
  });

  it('are never left without an answer, nor given the answer of another', async () => {
    const ask = gathered({ run: async (inputs: readonly number[]) => inputs.slice(1) });
    const answers = await Promise.allSettled([ask(1), ask(2)]);
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
