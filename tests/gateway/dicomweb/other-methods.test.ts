import { expect } from 'chai';
import { Router } from 'express';
import { otherDicomWebMethods } from '../../../gateway/dicomweb/other-methods.ts';
import { type DicomwebDoor, openDicomwebDoor } from '../../support/dicomweb-door.ts';

const INSTANCE = '/studies/1.2/series/1.3/instances/1.4';

describe('DICOMweb asked with a method that a resource has not got', () => {
  let door: DicomwebDoor;

  before(async () => {
    const served = Router().get('/studies', (_request, response) => void response.sendStatus(204));
    door = await openDicomwebDoor([otherDicomWebMethods(), served]);
  });
  after(() => door.stop());

  const ask = async (method: string, path: string) => {
    const { status, headers } = await fetch(`${door.url}${path}`, { method });
    return `${status} ${headers.get('allow') ?? ''}`.trim();
  };

  it('says which it has', async () => {
    const stored = await Promise.all(['/studies', '/studies/1.2'].map((path) => ask('PATCH', path)));
    const read = await Promise.all(
      [
        '/series',
        '/studies/1.2/instances',
        '/studies/1.2/metadata',
        '/studies/1.2/series/1.3/rendered',
        INSTANCE,
        `${INSTANCE}/frames/1`,
        `${INSTANCE}/frames/1/thumbnail`,
        `${INSTANCE}/bulkdata/7FE00010`,
      ].map((path) => ask('DELETE', path)),
    );

    expect(stored).to.deep.equal(stored.map(() => '405 GET, HEAD, OPTIONS, POST'));
    expect(read).to.deep.equal(read.map(() => '405 GET, HEAD, OPTIONS'));
    expect(await ask('OPTIONS', '/studies')).to.equal('204 GET, HEAD, OPTIONS, POST');
  });

  it('is not in the way of what is there, and knows nothing of what is not', async () => {
    expect([await ask('GET', '/studies'), await ask('DELETE', '/studies/1.2/nothing')]).to.deep.equal(['204', '404']);
  });
});
