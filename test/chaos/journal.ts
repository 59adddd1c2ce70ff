/** What happened, second by second: our own acts, and what the workers said of themselves. */
export type Journal = {
  /** Something that this run did, or saw. */
  note(text: string): void;
  /** A line that a worker wrote. */
  heard(worker: string, line: string): void;
  /** The lines that hold one of these words, oldest first. */
  mentioning(words: readonly string[]): readonly string[];
  latest(count: number): readonly string[];
  secondsSoFar(): number;
};

/** Enough for a thousand kills; the oldest go first. */
const LINES_KEPT = 500_000;

/** `copy` gets every line as well. */
export function startJournal(copy: (line: string) => void = () => undefined): Journal {
  const began = performance.now();
  const lines: string[] = [];
  const secondsSoFar = (): number => (performance.now() - began) / 1000;

  function add(text: string): void {
    const line = `${secondsSoFar().toFixed(3).padStart(9)} s  ${text}`;
    lines.push(line);
    copy(line);
    if (lines.length > LINES_KEPT * 1.1) lines.splice(0, lines.length - LINES_KEPT);
  }

  return {
    note: add,
    heard: (worker, line) => add(`${worker}: ${line}`),
    mentioning: (words) => lines.filter((line) => words.some((word) => line.includes(word))),
    latest: (count) => lines.slice(-count),
    secondsSoFar,
  };
}
