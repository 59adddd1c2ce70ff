/** What the person can mend: the message says what was seen and what to do, and is all there is to show. */
export class ReportError extends Error {
  override readonly name = 'ReportError';
}
