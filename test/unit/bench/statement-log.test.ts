import { expect, it } from 'vitest';
import { countStatements } from '../../../bench/support/statement-log.ts';

it('counts statements, prepared ones and those of several lines, and nothing else', () => {
  const log = [
    '2026-11-22 10:00:00.000 UTC [7] LOG:  statement: begin',
    '2026-11-22 10:00:00.001 UTC [7] LOG:  execute <unnamed>: select 1',
    '\tfrom post',
    "2026-11-22 10:00:00.001 UTC [7] DETAIL:  Parameters: $1 = 'begin'",
    '2026-11-22 10:00:00.002 UTC [8] LOG:  execute 0a1b: select 1 from post',
    '2026-11-22 10:00:00.003 UTC [8] LOG:  checkpoint starting: immediate',
    '2026-11-22 10:00:00.004 UTC [7] LOG:  statement: begin',
    '',
  ].join('\n');
  expect(Object.fromEntries(countStatements(log))).toEqual({ begin: 2, 'select 1 from post': 2 });
});
