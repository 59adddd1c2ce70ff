import { writeFile } from 'node:fs/promises';
import { accountPage } from './account-page.ts';
import { collect, type Report, type Service } from './collect.ts';
import { documentOf } from './document.ts';
import type { Subject } from './options.ts';
import { postPage } from './post-page.ts';
import { ReportError } from './report-error.ts';

/**
 * Asks the service about one post or one account and writes the answer as one HTML page, over one that is there. ReportError: the
 * service can't be reached or refuses, the subject does not exist, or the file can't be written; nothing is written then. `makeTime`
 * is what the page says that it was made at, and ends its days.
 */
export async function writeReport(
  service: Service,
  subject: Subject,
  file: string,
  makeTime = new Date(),
): Promise<void> {
  const page = pageOf(await collect(service, subject, makeTime));
  try {
    await writeFile(file, page);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    const message = `--out: seen "${file}", which can not be written (${error.code}). Name a file in a folder that is there.`;
    throw new ReportError(message, { cause: error });
  }
}

export function pageOf(report: Report): string {
  switch (report.about) {
    case 'POST':
      return documentOf(postPage(report), report.makeTime);
    case 'ACCOUNT':
      return documentOf(accountPage(report), report.makeTime);
  }
}
