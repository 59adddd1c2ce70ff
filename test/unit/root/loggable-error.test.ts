import { expect, it } from 'vitest';
import { loggableError } from '../../../src/adapters/system/loggable-error.ts';

it('a log line of an error says its name, message, code, stack and causes', () => {
  const cause = Object.assign(new TypeError('inner'), { code: 'ECONNRESET' });
  const error = new Error('outer', { cause });
  expect(loggableError(error)).toEqual({
    type: 'Error',
    message: 'outer',
    stack: expect.stringContaining('outer'),
    cause: { type: 'TypeError', message: 'inner', code: 'ECONNRESET', stack: expect.any(String) },
  });
  expect(loggableError(new AggregateError([cause], 'both'))).toMatchObject({
    message: 'both',
    errors: [{ message: 'inner', code: 'ECONNRESET' }],
  });
});

it('and nothing of what else is attached to it', () => {
  const error = Object.assign(new Error('lost'), {
    client: { secretKey: 4711 },
    detail: 'Failing row contains (token)',
    code: {},
  });
  expect(Object.keys(loggableError(error) as object)).toEqual(['type', 'message', 'stack']);
});

it('what was thrown without being an error is told as text', () => {
  expect(loggableError({ toString: () => 'no error' })).toBe('no error');
});
