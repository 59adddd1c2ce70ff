type Waiting<In, Out> = {
  readonly input: In;
  resolve(output: Out): void;
  reject(error: unknown): void;
};

/**
 * Answers many calls by one statement: what is asked for in one turn of the event loop, and while `AT_ONCE` statements are under way,
 * goes together. Alone, a call waits for nobody. `run` gives one output for each input, in their order. Calls of the same `keyOf` are
 * answered one after the other, in the order they came.
 *
 * What one input is to blame for must not hit the others: after such a failure (`isOnesFault`) each input is tried by itself.
 */
export function gathered<In, Out>({
  run,
  keyOf,
  isOnesFault = () => false,
}: {
  readonly run: (inputs: readonly In[]) => Promise<readonly Out[]>;
  readonly keyOf?: (input: In) => string;
  readonly isOnesFault?: (error: unknown) => boolean;
}): (input: In) => Promise<Out> {
  let waiting: Waiting<In, Out>[] = [];
  let underWay = 0;
  let called = false;
  const busy = new Set<string>();

  /** Those who may go now, at most `MOST`; the others go on waiting. */
  function nextBatch(): Waiting<In, Out>[] {
    if (keyOf === undefined) return waiting.splice(0, MOST);
    const batch: Waiting<In, Out>[] = [];
    const left: Waiting<In, Out>[] = [];
    const passedOver = new Set<string>();
    for (const call of waiting) {
      const key = keyOf(call.input);
      if (batch.length === MOST || busy.has(key) || passedOver.has(key)) {
        passedOver.add(key);
        left.push(call);
      } else {
        busy.add(key);
        batch.push(call);
      }
    }
    waiting = left;
    return batch;
  }

  function goOn(): void {
    while (underWay < AT_ONCE) {
      const batch = nextBatch();
      if (batch.length === 0) return;
      underWay += 1;
      void answer(batch).finally(() => {
        underWay -= 1;
        if (keyOf !== undefined) for (const { input } of batch) busy.delete(keyOf(input));
        goOn();
      });
    }
  }

  async function answer(batch: readonly Waiting<In, Out>[]): Promise<void> {
    try {
      const outputs = await run(batch.map(({ input }) => input));
      if (outputs.length !== batch.length) throw new Error(`${outputs.length} answers to ${batch.length} calls`);
      for (const [index, { resolve }] of batch.entries()) resolve(outputs[index] as Out);
    } catch (error) {
      if (batch.length > 1 && isOnesFault(error)) for (const call of batch) await answer([call]);
      else for (const { reject } of batch) reject(error);
    }
  }

  return (input) =>
    new Promise((resolve, reject) => {
      waiting.push({ input, resolve, reject });
      if (called) return;
      called = true;
      // At the end of this turn: whoever asks in the same one comes along.
      setImmediate(() => {
        called = false;
        goOn();
      });
    });
}

/** Reads rows by their keys, those of one moment together. `find` gives the rows of these keys, in any order. */
export function gatheredRows<Key, Row>(
  find: (keys: readonly Key[]) => Promise<{ readonly rows: readonly Row[] }>,
  keyOf: (row: Row) => string,
): (key: Key) => Promise<Row | undefined> {
  return gathered({
    async run(keys: readonly Key[]) {
      const { rows } = await find([...new Set(keys)]);
      const found = new Map<unknown, Row>(rows.map((row) => [keyOf(row), row]));
      return keys.map((key) => found.get(key));
    },
  });
}

/** Larger ones would keep their first too long from its answer. */
const MOST = 64;
/** One more than the database works on, so that it never waits for us. */
const AT_ONCE = 2;

/** SQLSTATE classes that speak of the data of a statement, or of a lock that others of it hold: 22, 23, 40 (PostgreSQL, appendix A). */
export const isOnesFault = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  'code' in error &&
  typeof error.code === 'string' &&
  /^(22|23|40)...$/.test(error.code);
