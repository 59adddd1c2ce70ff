import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SKIPPED } from './check-outcome.ts';

/**
 * Everything that has to be green: types, style, layers, contract, generated code, tests. All of it runs, also after a
 * failure; the last line counts the tests and the checks.
 */
const node = process.execPath;

const CHECKS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['types', node, 'node_modules/typescript-7/bin/tsc', '-p', 'tsconfig.json'],
  ['types of the script in a report', node, 'node_modules/typescript-7/bin/tsc', '-p', 'scripts/report/tsconfig.json'],
  ['style', 'biome', 'ci', '--error-on-warnings', '.'],
  ['layers', node, 'scripts/check-layers.ts'],
  ['contract: lint', 'buf', 'lint'],
  ['contract: format', 'buf', 'format', '--diff', '--exit-code'],
  ['contract: compatible with the last release', 'buf', 'breaking', '--against', 'proto/baseline.binpb'],
  ['generated code', node, 'scripts/check-generated.ts'],
  ['API reference', node, 'scripts/api-reference.ts', '--check'],
  ['packages', node, 'scripts/check-packages.ts'],
  ['bill of materials', node, 'scripts/check-sbom.ts'],
  ['known holes in packages', node, 'scripts/check-audit.ts'],
];

const MARKS = { passed: '✓', failed: '✗', skipped: '–' };

type Count = { passed: number; failed: number; skipped: number };

function runChecks(): Count {
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const [name, command, ...args] of CHECKS) {
    const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
    const outcome = status === 0 ? 'passed' : status === SKIPPED ? 'skipped' : 'failed';
    count[outcome] += 1;
    console.log(`${MARKS[outcome]} ${name}`);
    if (outcome !== 'passed') console.log(error?.message ?? `${stdout}${stderr}`);
  }
  return count;
}

function runTests(args: readonly string[]): Count {
  const folder = mkdtempSync(join(tmpdir(), 'test-report-'));
  try {
    const report = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const { status } = spawnSync('vitest', ['run', ...reporters, ...args], { stdio: 'inherit' });
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'));
    // A file that does not load, or an error outside of any test, fails the run without failing a test.
    const failed = status === 0 ? 0 : Math.max(numFailedTests, 1);
    return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const checks = runChecks();
const tests = runTests(process.argv.slice(2));
const failed = checks.failed + tests.failed;
console.log(`${checks.passed + tests.passed} passed, ${failed} failed, ${checks.skipped + tests.skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
