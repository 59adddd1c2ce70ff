/** Does `work` for each item, at most so many at once, and gives the results in the order of the items. */
export async function inParallel<T, R>(
  atOnce: number,
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const left = items.entries();
  async function worker(): Promise<void> {
    for (const [index, item] of left) results[index] = await work(item, index);
  }
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
