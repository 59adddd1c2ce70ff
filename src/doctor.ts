import { parseArgs } from 'node:util';
import { type Examined, examine, worst } from './application/diagnosis/examine.ts';
import { checks } from './checks.ts';
import { inWords } from './in-words.ts';
import { secretsIn, withoutSecrets } from './secrets-in.ts';

/** Looks at all that the service needs, before or while it runs: `node src/doctor.ts [--json]`. docs/operations.md names its checks. */
try {
  const { values } = parseArgs({ options: { json: { type: 'boolean' } } });
  const examined = await examine(checks(process.env), inWords);
  const text = values.json ? JSON.stringify(inJson(examined)) : inLines(examined);
  const code = worst(examined) === 'FAIL' ? 1 : 0;
  // What did not answer in time may hang on to this process.
  process.stdout.write(`${withoutSecrets(text, secretsIn(process.env))}\n`, () => process.exit(code));
} catch (error) {
  console.error(withoutSecrets(inWords(error), secretsIn(process.env)));
  process.exit(1);
}

/** Names are stable, and so are `verdict` and `ok`; what is seen and what to do is for people. */
function inJson(examined: readonly Examined[]) {
  return { ok: worst(examined) !== 'FAIL', checks: examined };
}

function inLines(examined: readonly Examined[]): string {
  const lines = examined.flatMap(({ name, lookedAt, diagnoses }) =>
    diagnoses.map((diagnosis) => {
      const seen = `${diagnosis.verdict.padEnd(4)}  ${name.padEnd(15)}  ${lookedAt}: ${diagnosis.seen}`;
      const line = diagnosis.verdict === 'ok' ? seen : `${seen}. DO: ${diagnosis.remedy}`;
      return line.replaceAll(/\s*\n\s*/g, '; ');
    }),
  );
  const count = (verdict: string): number => examined.filter((each) => each.verdict === verdict).length;
  return [...lines, `${examined.length} checks: ${count('ok')} ok, ${count('warn')} warn, ${count('FAIL')} FAIL`].join(
    '\n',
  );
}
