import { resolve } from 'node:path';
import { HELP, readOptions } from './report/options.ts';
import { ReportError } from './report/report-error.ts';
import { writeReport } from './report/write-report.ts';

/** `npm run report -- --help` tells what it does. */
try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) console.log(HELP);
  else {
    const { subject, file, ...service } = options;
    await writeReport(service, subject, file);
    console.log(`the report is in ${resolve(file)}`);
  }
} catch (error) {
  if (!(error instanceof ReportError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
