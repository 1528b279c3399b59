import { expect } from 'chai';
import { PassThrough } from 'node:stream';
import { HubError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';
import { createLogger, type LoggerOptions } from '../../platform/logger.ts';

type Line = Readonly<Record<string, unknown>>;

/** A logger and what it wrote. */
function logging(options: Partial<LoggerOptions> = {}): {
  log: Logger;
  text: () => string;
  lines: () => readonly Line[];
} {
  const stream = new PassThrough();
  const chunks: string[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  const text = () => chunks.join('');
  return {
    log: createLogger({ level: 'debug', format: 'json', ...options, stream }),
    text,
    lines: () =>
      text()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Line),
  };
}

describe('the logger', () => {
  it('does not even look at the fields of a line below its level', () => {
    const { log, text } = logging({ level: 'info' });
    let looks = 0;
    const field = {
      get inner() {
        return (looks += 1);
      },
    };

    log.child({ stage: 'gateway' }).debug('instance stored', { field });
    const looksBelow = looks;
    log.info('instance stored', { field });

    expect(text().match(/instance stored/g)).to.have.length(1);
    expect(looksBelow).to.equal(0);
    expect(looks).to.be.greaterThan(0);
  });

  it('writes one JSON line with time, level, message and fields', () => {
    const { log, lines } = logging();

    log.child({ stage: 'gateway' }).child({ associationId: 'a1' }).info('instance stored', { sizeBytes: 12 });

    const [line] = lines();
    expect(line).to.deep.include({ level: 'info', message: 'instance stored', stage: 'gateway', associationId: 'a1' });
    expect(line?.['sizeBytes']).to.equal(12);
    expect(String(line?.['time'])).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = logging({ level: 'warn' });

    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');

    expect(lines().map(({ message }) => message)).to.deep.equal(['c', 'd']);
  });

  it('lets no field pass for the time, the level or the message', () => {
    const { log, lines } = logging();

    log.info('the message', { message: 'another', level: 'error', time: 'never', fields: 1 });

    expect(lines()[0]).to.include({ message: 'the message', level: 'info', fields: 1 });
    expect(lines()[0]?.['time']).not.to.equal('never');
  });

  for (const key of [
    'PatientName',
    'patientId',
    'patient_birth_date',
    'OtherPatientIDs',
    'ReferringPhysicianName',
    'OperatorsName',
    'AccessionNumber',
    'InstitutionName',
    'StudyDescription',
    'ImageComments',
    'PersonName',
    'attributes',
    'dataSet',
    'authorization',
    'Cookie',
    'password',
    'token',
    'accessToken',
    'clientSecret',
    'apiKey',
  ]) {
    it(`writes no value under ${key}, at any depth`, () => {
      const { log, text } = logging();

      log.info('something', { [key]: 'hidden-1', nested: { list: [{ [key]: { value: 'hidden-2' } }] } });

      expect(text()).to.include('[redacted]').and.not.to.include('hidden');
    });
  }

  it('writes identifiers, counts and the ID of a token', () => {
    const { log, lines } = logging();
    const fields = { studyInstanceUid: '1.2.3', tokenId: 't1', instances: 3, isComplete: true, route: 'rat-brain' };

    log.info('something', fields);

    expect(lines()[0]).to.deep.include(fields);
  });

  it('takes names, passwords in URLs and tokens out of any text', () => {
    const { log, text } = logging();
    const token = `hub_0123456789ab_${'x'.repeat(43)}`;

    log.info('refused DOE^JOHN', {
      url: 'https://user:geheim@pacs.example/dicom-web',
      header: 'Bearer abc.def',
      error: new Error(`cannot read ${token} of MÜLLER^ÄNNE^^^DR`),
    });

    expect(text()).to.include('pacs.example');
    for (const hidden of ['DOE', 'JOHN', 'geheim', 'abc.def', 'xxxx', 'MÜLLER', 'ÄNNE']) {
      expect(text()).not.to.include(hidden);
    }
  });

  it('writes an error of the table without its stack, with its causes', () => {
    const { log, lines, text } = logging();
    const error = new HubError('store.full', { pack: 'run-1' }, new Error('ENOSPC', { cause: new Error('disk') }));

    log.error('step failed', { error });

    expect(lines()[0]?.['error']).to.deep.equal({
      name: 'HubError',
      message: 'Out of storage (pack=run-1)',
      code: 'store.full',
      cause: 'Error: ENOSPC ← Error: disk',
    });
    expect(text()).not.to.include('logger.test.ts');
  });

  it('writes the stack of a defect, at error level only', () => {
    const { log, lines } = logging();
    const error = new HubError('internal.unexpected', {}, new TypeError('x is not a function'));

    log.error('step failed', { error });
    log.warn('step failed', { error });
    log.error('step failed', { error: new TypeError('another') });

    const stacks = lines().map((line) => (line['error'] as Line)['stack']);
    expect(stacks[0]).to.be.a('string').that.includes('logger.test.ts');
    expect(stacks[1]).to.equal(undefined);
    expect(stacks[2]).to.be.a('string').that.includes('logger.test.ts');
  });

  it('survives whatever it is given', () => {
    const { log, lines } = logging();
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const cause = new Error('round');
    cause.cause = cause;

    log.info('odd', {
      circular,
      cause,
      big: 2n ** 70n,
      fn: () => 1,
      symbol: Symbol('s'),
      bytes: new Uint8Array(9),
      date: new Date(0),
      noDate: new Date(NaN),
      map: new Map([['a', 1]]),
      set: new Set([1]),
      nothing: undefined,
      empty: null,
      long: 'x'.repeat(10_000),
      many: Array.from({ length: 1000 }, (_, index) => index),
    });

    const [line] = lines();
    expect(line).to.include({
      big: String(2n ** 70n),
      bytes: '[9 bytes]',
      empty: null,
      date: '1970-01-01T00:00:00.000Z',
    });
    expect(line).not.to.have.property('nothing');
    expect(String(line?.['long']).length).to.be.below(2100);
    expect(line?.['many']).to.have.length(100);
  });

  it('writes a readable line for a person', () => {
    const { log, text } = logging({ format: 'pretty' });

    log.warn('delivery failed', {
      destination: 'kct-pacs',
      detail: 'no answer',
      attempts: 2,
      error: new HubError('partner.timeout', {}),
    });
    log.error('defect', { error: new TypeError('x is not a function') });

    const [first, ...rest] = text().split('\n');
    expect(first).to.match(
      /^\d\d:\d\d:\d\d\.\d{3} warn {2}delivery failed destination=kct-pacs detail="no answer" attempts=2 /,
    );
    expect(first).to.include('error="HubError: Destination did not answer in time" code=partner.timeout');
    expect(rest.join('\n')).to.include('at ');
  });
});
