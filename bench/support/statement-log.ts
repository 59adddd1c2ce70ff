/** How often each statement is in a log that `log_statement = 'all'` made, those of transactions included. */
export function countStatements(log: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const [, statement = ''] of log.matchAll(/ LOG: {2}(?:statement|execute [^:]+): ([\s\S]*?)(?=\n\S|$)/g)) {
    const text = statement.replace(/\s+/g, ' ').trim();
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}
