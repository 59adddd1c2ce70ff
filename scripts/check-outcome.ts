/** Exit code of a check that could not look: neither good nor bad (EX_TEMPFAIL of sysexits). */
export const SKIPPED = 75;
