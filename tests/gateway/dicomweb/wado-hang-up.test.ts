import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import { expect } from 'chai';
import express from 'express';
import { sendStream } from '../../../gateway/dicomweb/wado-answer.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { waitFor } from '../../support/wait-for.ts';
import { startWadoDoor, type WadoDoor } from '../../support/wado-door.ts';

const SIZE = 4_000;

describe('WADO-RS clients that hang up', function () {
  this.timeout(30_000);
  let door: WadoDoor;
  before(async () => {
    door = await startWadoDoor({ size: 1 });
  });
  after(() => door.stop());

  /** More than sockets hold, so that the hub waits for a client that does not read. */
  const largeStudy = async (): Promise<string> => {
    const StudyInstanceUID = newUid();
    const PixelData = { vr: 'OW', value: Buffer.alloc(2 * SIZE * SIZE, 7) };
    for (let n = 0; n < 2; n++)
      await door.add(mrInstance({ StudyInstanceUID, Rows: SIZE, Columns: SIZE, PixelData }).part10);
    return `${door.url}/studies/${StudyInstanceUID}`;
  };
  const begun = async (url: string, accept: string): Promise<IncomingMessage> => {
    const asking = request(url, { headers: { Accept: accept }, agent: false });
    asking.end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    await once(response, 'readable');
    return response;
  };

  const EXPLICIT = 'transfer-syntax=1.2.840.10008.1.2.1';
  const answers: Readonly<Record<string, { readonly path: string; readonly accept: string }>> = {
    'a study as multipart': { path: '', accept: `multipart/related; type="application/dicom"; ${EXPLICIT}` },
    'a study as a zip archive': { path: '', accept: 'application/zip' },
  };
  for (const [what, { path, accept }] of Object.entries(answers)) {
    it(`leave nothing open halfway through ${what}`, async () => {
      const study = await largeStudy();
      const response = await begun(`${study}${path}`, accept);
      await waitFor('an instance on its way', () => door.openSources > 0);

      response.destroy();

      await waitFor('nothing open', () => door.openSources === 0);
      expect(response.complete).to.be.false;
    });
  }

  it('end what would have been sent, gone before its first byte was there', async () => {
    let isEnded = false;
    const app = express().get('/', async (asked, response) => {
      await sendStream(asked, response, 'text/plain', late());
      async function* late(): AsyncGenerator<Uint8Array> {
        try {
          await once(response, 'close');
          yield Buffer.from('too late');
          yield Buffer.from('and more');
        } finally {
          isEnded = true;
        }
      }
    });
    const server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const asking = request({ port: typeof address === 'object' ? address?.port : undefined, agent: false });
    asking.on('error', () => undefined).end();
    await once(server, 'request');

    asking.destroy();

    try {
      await waitFor('the body ended', () => isEnded);
    } finally {
      server.close();
    }
  });
});
