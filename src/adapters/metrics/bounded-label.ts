/** What stands for every value that gets no series of its own. */
export const OTHER = 'other';

/** Words of a protocol, paths and status codes: what may be shown as it came. */
const SHOWABLE = /^[\w./-]{1,100}$/;

/**
 * Each value of a label is a time series for good, in this process and in whatever reads it, so values that come from outside are
 * bounded: `known` words and the first `strangers` others pass, everything else becomes `other`.
 */
export function boundedLabel(strangers: number, known: Iterable<string> = []): (value: string) => string {
  const passing = new Set(known);
  const room = passing.size + strangers;
  return (value) => {
    if (passing.has(value)) return value;
    if (passing.size >= room || !SHOWABLE.test(value)) return OTHER;
    passing.add(value);
    return value;
  };
}
