import { expect, it } from 'vitest';
import { auditVerdict } from '../../../scripts/audit-verdict.ts';

const report = (severity: string) =>
  JSON.stringify({
    auditReportVersion: 2,
    vulnerabilities: {
      tar: {
        severity,
        range: '<7.5.0',
        via: [{ title: 'Path traversal', url: 'https://github.com/advisories/GHSA-x' }, 'minizlib'],
      },
    },
  });

it.each(['high', 'critical'])('fails on a finding that is %s, and says where it is told of', (severity) => {
  expect(auditVerdict(report(severity))).toEqual({
    kind: 'FOUND',
    findings: [`tar <7.5.0: ${severity}. Path traversal https://github.com/advisories/GHSA-x; by way of minizlib`],
  });
});

it.each(['info', 'low', 'moderate'])('does not fail on one that is %s', (severity) => {
  expect(auditVerdict(report(severity))).toEqual({ kind: 'CLEAN' });
});

it('is clean when the registry knows nothing', () => {
  expect(auditVerdict('{"auditReportVersion":2,"vulnerabilities":{}}')).toEqual({ kind: 'CLEAN' });
});

it.each([
  ['refuses', '{"message":"405 Method Not Allowed","statusCode":405}', '405 Method Not Allowed'],
  ['is not there', '{"error":{"code":"ENOTFOUND","summary":"getaddrinfo ENOTFOUND"}}', 'getaddrinfo ENOTFOUND'],
  ['says nothing', '', 'npm audit gave no report'],
  ['says something else', '<html>', 'npm audit gave no report'],
  ['says null', 'null', 'npm audit gave no report'],
])('knows nothing, good or bad, when the registry %s', (_, output, reason) => {
  expect(auditVerdict(output)).toEqual({ kind: 'UNKNOWN', reason });
});
