import { describe, expect, it } from 'vitest';
import { readOptions } from '../../../scripts/report/options.ts';
import { ReportError } from '../../../scripts/report/report-error.ts';

const read = (...args: readonly string[]) => readOptions(args);

describe('The flags of a report', () => {
  it('need no more than what it is about', () => {
    expect(read('--post', 'post_01m81e')).toEqual({
      subject: { post: 'post_01m81e' },
      file: 'report-post_01m81e.html',
      address: '127.0.0.1:50051',
    });
    expect(read('--connection=conn_01m81e')).toMatchObject({
      subject: { connection: 'conn_01m81e' },
      file: 'report-conn_01m81e.html',
    });
  });

  it('say where the service is, with which key, and where the page goes', () => {
    expect(
      read('--post', 'post_1', '--server', 'https://tiktok.example:443', '--key', 'k-1_=', '--out', 'a b.html'),
    ).toEqual({ subject: { post: 'post_1' }, file: 'a b.html', address: 'https://tiktok.example:443', key: 'k-1_=' });
    expect(read('--post', 'post_1', '--server', '[::1]:50051')).toMatchObject({ address: '[::1]:50051' });
  });

  it('ask for help whatever else there is', () => {
    expect(read('--nonsense', '--help')).toBeUndefined();
  });

  it.each([
    [[], '--post or --connection: seen neither; name what the report is about.'],
    [['--post', 'post_1', '--connection', 'conn_1'], '--post and --connection: seen both'],
    [['--post', 'conn_1'], '--post: seen "conn_1"; an id that begins with post_ is needed'],
    [['--connection', 'conn_'], '--connection: seen "conn_"; an id that begins with conn_'],
    [['--post', 'post_../../x'], '--post: seen "post_../../x"'],
    [['--post', '--out', 'x.html'], '--post: seen no value'],
    [['--post', 'post_1', '--out='], '--out: seen no value'],
    [['--post', 'post_1', '--post', 'post_2'], '--post: is there twice; give it once.'],
    [['--post', 'post_1', '--server', 'localhost'], '--server: seen "localhost"; HOST:PORT is needed, such as 127'],
    [['--post', 'post_1', '--server', 'localhost:0'], '--server: seen "localhost:0"'],
    [['--post', 'post_1', '--server', 'localhost:65536'], '--server: seen "localhost:65536"'],
    [['--post', 'post_1', '--server', 'ftp://localhost:1'], '--server: seen "ftp://localhost:1"'],
    [['--post', 'post_1', '--colour', 'red'], '--colour: there is no such flag; choose from --post, --connection'],
    [['post_1'], '"post_1": belongs to no flag'],
  ])('%j are refused with flag, value and remedy', (args, problem) => {
    expect(() => read(...args)).toThrow(ReportError);
    expect(() => read(...args)).toThrow(problem);
  });

  it('never repeat a key', () => {
    expect(() => read('--post', 'post_1', '--key', 'secret key')).toThrow('--key: seen a space');
    expect(() => read('--post', 'post_1', '--key', 'secret key')).not.toThrow(/secret/);
  });

  it('are all told of at once', () => {
    expect(() => read('--post', 'x', '--server', 'y', '--colour')).toThrow(
      /^[^\n]*\n {2}--colour: [^\n]*\n {2}--post: [^\n]*\n {2}--server: [^\n]*$/,
    );
  });
});
