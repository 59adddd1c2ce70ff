import { readFileSync } from 'node:fs';
import { packageProblems } from './package-problems.ts';

/** Whether what is installed is what was looked at. */
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
const lockfile = json('package-lock.json');
const problems = packageProblems(json('package.json'), lockfile, readFileSync('.npmrc', 'utf8'));
for (const problem of problems) console.error(problem);
console.log(`${Object.keys(lockfile.packages).length - 1} packages, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
