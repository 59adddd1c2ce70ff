/** Runs at most so much at once. Whoever waits for room is served in turn, tenant by tenant, however much one has waiting. */
export function fairRoom(places: number): <T>(tenant: string, work: () => Promise<T>) => Promise<T> {
  /** In the order of their turns: who was served goes to the end. */
  const queues = new Map<string, (() => void)[]>();
  let free = places;

  function next(): void {
    const [turn] = queues;
    if (turn === undefined) {
      free += 1;
      return;
    }
    const [tenant, waiting] = turn;
    const begin = waiting.shift();
    queues.delete(tenant);
    if (waiting.length > 0) queues.set(tenant, waiting);
    begin?.();
  }

  return async (tenant, work) => {
    if (free > 0) {
      free -= 1;
    } else {
      await new Promise<void>((begin) => {
        const waiting = queues.get(tenant);
        if (waiting === undefined) queues.set(tenant, [begin]);
        else waiting.push(begin);
      });
    }
    try {
      return await work();
    } finally {
      next();
    }
  };
}
