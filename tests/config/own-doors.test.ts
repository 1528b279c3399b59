import { hostname } from 'node:os';
import { expect } from 'chai';
import { loadConfig } from '../../config/loader.ts';
import { configShapes } from '../../wiring/shapes.ts';

function mistakesOf(config: object): readonly string[] {
  const { mistakes = [] } = loadConfig({ text: JSON.stringify(config), env: {}, shapes: configShapes() });
  return mistakes.map(({ pointer, message }) => `${pointer}: ${message}`);
}

const cStore = (host: string, port = 11112) => ({ name: 'pacs', type: 'c-store', host, port, aeTitle: 'PACS' });
const stow = (url: string) => ({ name: 'pacs', type: 'stow-rs', url });
const pull = (from: object) => ({ name: 'own', from });
const CYCLE = "the hub's own door: what is delivered there would come in again, and be routed again";

describe("the hub's own doors", () => {
  for (const host of ['127.0.0.1', 'localhost', '::1', '127.1.2.3', hostname()]) {
    it(`are no destination of C-STORE: ${host === hostname() ? 'by the name of this machine' : host}`, () => {
      expect(mistakesOf({ destinations: [cStore(host)] })).to.deep.equal([`/destinations/0/port: ${CYCLE}`]);
    });
  }

  it('are no destination of C-STORE over TLS either', () => {
    const tls = { port: 2762, certificate: { env: 'A' }, key: { env: 'B' }, clientCertificates: 'none' };

    expect(mistakesOf({ gateway: { dimse: { tls } }, destinations: [cStore('localhost', 2762)] })).to.deep.equal([
      `/destinations/0/port: ${CYCLE}`,
    ]);
  });

  it('are no origin server for STOW-RS', () => {
    expect(mistakesOf({ destinations: [stow('http://localhost:8080/dicom-web')] })).to.deep.equal([
      `/destinations/0/url: ${CYCLE}`,
    ]);
    const any = { gateway: { http: { host: '0.0.0.0', port: 80 } }, destinations: [stow('http://[::1]/dicom-web')] };
    expect(mistakesOf(any)).to.deep.equal([`/destinations/0/url: ${CYCLE}`]);
  });

  it('are nothing to fetch from', () => {
    const dicom = { host: 'localhost', port: 11112, aeTitle: 'HUB' };
    const dicomweb = { url: 'http://127.0.0.1:8080/dicom-web' };
    const said = "the hub's own door: it would fetch what it has";

    expect(mistakesOf({ pulls: [pull({ dicom })] })).to.include(`/pulls/0/from/dicom/port: ${said}`);
    expect(mistakesOf({ pulls: [pull({ dicomweb })] })).to.include(`/pulls/0/from/dicomweb/url: ${said}`);
  });

  it('are told from other ports, from other machines, and from addresses that they do not listen on', () => {
    const destinations = [
      [cStore('127.0.0.1', 4242)],
      [cStore('pacs.example.org')],
      [stow('http://127.0.0.1:8042/dicom-web')],
      [stow('https://127.0.0.1:8080/dicom-web')],
      [stow('http://192.0.2.7:8080/dicom-web')],
    ];

    for (const each of destinations) expect(mistakesOf({ destinations: each })).to.deep.equal([]);
    const elsewhere = { gateway: { dimse: { host: '192.0.2.9' } }, destinations: [cStore('192.0.2.9')] };
    expect(mistakesOf(elsewhere)).to.deep.equal([`/destinations/0/port: ${CYCLE}`]);
    const notThere = { gateway: { dimse: { host: '192.0.2.9' } }, destinations: [cStore('localhost')] };
    expect(mistakesOf(notThere)).to.deep.equal([]);
  });
});
