export type AuditVerdict =
  | { readonly kind: 'CLEAN' }
  /** Each with its severity and where it is told of. */
  | { readonly kind: 'FOUND'; readonly findings: readonly string[] }
  /** Nobody could be asked: nothing is known, good or bad. */
  | { readonly kind: 'UNKNOWN'; readonly reason: string };

const GRAVE = new Set(['high', 'critical']);

type Vulnerability = {
  readonly severity?: unknown;
  readonly range?: unknown;
  readonly via?: readonly (string | { readonly title?: unknown; readonly url?: unknown })[];
};

/** Reads what `npm audit --json` wrote. Only an answer of the registry counts as one. */
export function auditVerdict(output: string): AuditVerdict {
  const report = parsed(output);
  if (report === undefined) return { kind: 'UNKNOWN', reason: 'npm audit gave no report' };
  if (report.vulnerabilities === undefined) {
    return { kind: 'UNKNOWN', reason: String(report.message ?? report.error?.summary ?? 'npm audit gave no report') };
  }
  const findings = Object.entries(report.vulnerabilities)
    .filter(([, { severity }]) => GRAVE.has(String(severity)))
    .map(([name, { severity, range, via = [] }]) => {
      const why = via.map((each) => (typeof each === 'string' ? `by way of ${each}` : `${each.title} ${each.url}`));
      return `${name} ${range}: ${severity}. ${why.join('; ')}`;
    });
  return findings.length === 0 ? { kind: 'CLEAN' } : { kind: 'FOUND', findings };
}

type Report = {
  readonly vulnerabilities?: Readonly<Record<string, Vulnerability>>;
  readonly message?: unknown;
  readonly error?: { readonly summary?: unknown };
};

function parsed(output: string): Report | undefined {
  try {
    const report: unknown = JSON.parse(output);
    return typeof report === 'object' && report !== null ? report : undefined;
  } catch {
    return undefined;
  }
}
