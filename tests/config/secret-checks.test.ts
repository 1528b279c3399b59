import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadConfig } from '../../config/loader.ts';
import { mistakeLine } from '../../config/mistakes.ts';
import { configShapes } from '../../wiring/shapes.ts';
import { makeAuthority } from '../support/certificates.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

describe('secrets that a configuration names', () => {
  const folder = temporaryFolder();

  /** What is said of them, without where. */
  function saidOf(lines: readonly string[], env: Readonly<Record<string, string>> = {}): readonly string[] {
    const text = ['partners: [{ name: kct }]', 'destinations:', ...lines].join('\n');
    const loaded = loadConfig({ file: 'hub.yaml', text, env, shapes: configShapes() });
    if (loaded.mistakes !== undefined) throw new Error(loaded.mistakes.map(mistakeLine).join('\n'));
    expect(loaded.warnings).to.include.members(loaded.secrets);
    return loaded.secrets.map(mistakeLine);
  }

  it('are looked at in the form that their connector wants, and said by place, never by value', () => {
    const bell = '  - { name: bell, type: webhook, partner: kct, url: "https://example.org/", secret: { env: BELL } }';
    const files = [
      '  - { name: files, type: sftp, host: example.org, user: hub, path: in, auth: { key: { env: KEY } },',
      '      hostKey: { fingerprints: ["SHA256:uNiVztksCsDhcc0u9e8BrgFlF3ciD1TkSWnD9XUx0DQ"] } }',
    ];

    const said = saidOf([bell, ...files], { BELL: 'whsec_c2hvcnQ=', KEY: 'hunter2' });
    const none = saidOf([bell], { BELL: `whsec_${Buffer.alloc(32, 7).toString('base64')}` });

    expect(said).to.deep.equal([
      "hub.yaml:3 /destinations/0/secret: the environment variable BELL is not what is needed: a webhook's secret is whsec_ and the base64 of 24 to 64 random bytes",
      'hub.yaml:4 /destinations/1/auth/key: the environment variable KEY is not what is needed: an OpenSSH private key',
    ]);
    expect(none).to.deep.equal([]);
  });

  it('are certificates and keys wherever TLS is spoken, and belong together', async function () {
    this.timeout(30_000);
    const authority = await makeAuthority(folder.path);
    const [one, other] = [await authority.sign('one', '/CN=one'), await authority.sign('other', '/CN=other')];
    const garbage = join(folder.path, 'garbage.pem');
    writeFileSync(garbage, 'garbage\n');
    const pacs = (tls: string) => [
      `  - { name: pacs, type: c-store, host: example.org, port: 104, aeTitle: X, tls: ${tls} }`,
    ];
    const tls = (ca: string, certificate: string, key: string) =>
      pacs(JSON.stringify({ ca: { file: ca }, certificate: { file: certificate }, key: { file: key } }));

    const good = saidOf(tls(authority.certificate, one.certificate, one.key));
    const strange = saidOf(tls(authority.certificate, one.certificate, other.key));
    const wrong = saidOf(tls(garbage, one.key, one.certificate));

    expect(good).to.deep.equal([]);
    expect(strange).to.deep.equal([
      `hub.yaml:3 /destinations/0/tls/key: the file ${other.key} is not what is needed: the key of the certificate beside it`,
    ]);
    expect(wrong.map((line) => line.replace(/.*needed: /, ''))).to.deep.equal([
      'a certificate in PEM',
      'a certificate in PEM',
      'a private key in PEM, without a passphrase',
    ]);
  });
});
