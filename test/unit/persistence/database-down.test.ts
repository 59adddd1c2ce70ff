import { describe, expect, it } from 'vitest';
import { isDatabaseDown } from '../../../src/adapters/persistence/database-down.ts';

const coded = (code: string) => Object.assign(new Error('said so'), { code });

describe('a database that can not be used right now', () => {
  it.each([
    ['nobody listens', coded('ECONNREFUSED')],
    ['no way leads to it', coded('EHOSTUNREACH')],
    ['its network is gone', coded('ENETUNREACH')],
    ['its name can not be looked up', coded('EAI_AGAIN')],
    ['a lookup broke off', coded('EAI_FAIL')],
    ['it is starting', coded('57P03')],
    ['it has too many connections', coded('53300')],
    ['its disk is full', coded('53100')],
    ['its disk fails', coded('58030')],
    ['it ended a statement that took too long', coded('57014')],
    ['another one took over, and this one only reads', coded('25006')],
    ['the driver gave up connecting', new Error('timeout expired')],
    ['the pool gave up', new Error('timeout exceeded when trying to connect')],
    ['the connection ended', new Error('Connection terminated unexpectedly')],
    ['what is thrown has it as its cause', new Error('failed', { cause: coded('ECONNRESET') })],
  ])('%s', (_, error) => {
    expect(isDatabaseDown(error)).toBe(true);
  });

  it.each([
    ['a statement is wrong', coded('42601')],
    ['a row is there already', coded('23505')],
    ['the password is wrong', coded('28P01')],
    ['a file is missing', coded('ENOENT')],
    ['a bug', new TypeError('x is not a function')],
    ['no error at all', 'away'],
  ])('is not: %s', (_, error) => {
    expect(isDatabaseDown(error)).toBe(false);
  });
});
