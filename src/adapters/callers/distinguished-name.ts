/** `CN=orchestrator,O=Glowtify` in its parts. A comma that belongs to a value is written `\,` (RFC 2253). Undefined for what is no name. */
export function parseName(text: string): readonly string[] | undefined {
  const parts = text.match(/(?:[^,\\]|\\.)+/gsu) ?? [];
  const whole = parts.join(',') === text;
  const trimmed = parts.map((part) => part.trimStart());
  return whole && trimmed.length > 0 && trimmed.every((part) => /^[A-Za-z0-9][\w.-]*=./su.test(part))
    ? trimmed
    : undefined;
}

/** Names are written from either end: certificates and OpenSSL begin with the country, RFC 2253 with the common name. */
export const sameName = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length &&
  (one.every((part, index) => part === other[index]) || one.every((part, index) => part === other.at(-1 - index)));
