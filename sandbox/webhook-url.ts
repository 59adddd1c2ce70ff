import { isLoopback } from './http.ts';
import { type Check, refuse } from './input.ts';

export const webhookUrl: Check<string> = (value, field) => {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))) return url.href;
  return refuse(field, value, 'must be an https URL', 'Use https, or http on 127.0.0.1 or localhost.');
};
