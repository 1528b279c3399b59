import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import * as z from 'zod';
import { deidentify } from '../../../cli/deidentify.ts';
import { report as reportCommand } from '../../../cli/report.ts';
import { createReportSigner, verifyReport } from '../../../processors/deidentify/signature.ts';
import { captureTerminal } from '../../support/captured-terminal.ts';
import { run } from '../../support/child-process.ts';
import { identity, pixels, sampleFile } from '../../support/dicom-samples.ts';
import { openssl, type Peer } from '../../support/peers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';

const SECRET = new Uint8Array(32).fill(9);

/** What a partner runs who has Python and openssl, and no hub. */
const CANONICAL = `
import base64, json, sys
report = json.load(open(sys.argv[1]))
signature = report.pop("signature")
open(sys.argv[2], "w", newline="").write(json.dumps(report, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
open(sys.argv[3], "wb").write(base64.b64decode(signature["value"]))
`;

describe('the signature under a report', () => {
  const signer = createReportSigner(SECRET);
  const report = { studyInstanceUid: '2.25.1', counts: { removed: 3, 'new-uid': 4 }, partner: undefined };

  it('is the same again for the same report and key, whatever the order of its members', () => {
    const { signature } = signer.sign(report);

    expect(
      createReportSigner(SECRET).sign({ counts: { 'new-uid': 4, removed: 3 }, studyInstanceUid: '2.25.1' }).signature,
    ).to.deep.equal(signature);
    expect(Buffer.from(signature.value, 'base64').length).to.equal(64);
    expect(signature.keyId)
      .to.equal(signer.keyId)
      .and.match(/^[0-9a-f]{64}$/);
  });

  it('proves what was signed and nothing else', () => {
    // In another layout, as a partner's store may keep it.
    const signed: object = z
      .record(z.string(), z.unknown())
      .parse(JSON.parse(JSON.stringify(signer.sign(report), undefined, 7)));
    const other = createReportSigner(new Uint8Array(32));

    expect(verifyReport(signed, signer.publicKeyPem)).to.equal('valid');
    expect(verifyReport({ ...signed, counts: { removed: 2, 'new-uid': 4 } }, signer.publicKeyPem)).to.equal('changed');
    expect(verifyReport({ ...signed, more: 1 }, signer.publicKeyPem)).to.equal('changed');
    expect(verifyReport(signed, other.publicKeyPem)).to.equal('other-key');
    // Another key that claims to be this one.
    const forged = other.sign(report);
    expect(
      verifyReport({ ...forged, signature: { ...forged.signature, keyId: signer.keyId } }, signer.publicKeyPem),
    ).to.equal('changed');
    for (const nothing of [report, { ...report, signature: 'yes' }, null, 'text'])
      expect(verifyReport(nothing, signer.publicKeyPem)).to.equal('unsigned');
  });

  it('refuses a key that is none of Ed25519', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    for (const pem of ['', 'no key', publicKey.export({ type: 'spki', format: 'pem' }).toString()])
      expect((await thrownBy(Promise.resolve().then(() => verifyReport({}, pem)))).code).to.equal('command.usage');
  });
});

describe('a report in the hands of a partner', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let peer: Peer;

  before(async () => {
    peer = await openssl();
    const input = join(folder.path, 'in.dcm');
    await writeFile(input, sampleFile([...identity(), ...pixels()]));
    const args = ['--data', join(folder.path, 'data')];
    expect(
      await deidentify([input, join(folder.path, 'out'), '--report', path('report.json'), ...args], captureTerminal()),
    ).to.equal(0);
    const key = captureTerminal();
    expect(await deidentify(['--public-key', ...args], key)).to.equal(0);
    await writeFile(path('hub.pem'), `${key.lines.join('\n')}\n`);
  });

  const path = (name: string) => join(folder.path, name);
  const proof = async (report: string) => {
    const python = { path: 'python3', env: {} };
    await run(python, ['-c', CANONICAL, report, path('report.canonical'), path('report.sig')]);
    const args = ['-verify', '-pubin', '-inkey', path('hub.pem'), '-rawin', '-in', path('report.canonical')];
    return run(peer.command('openssl'), ['pkeyutl', ...args, '-sigfile', path('report.sig')]);
  };

  it('is proven by openssl with the public key that the command prints', async () => {
    const { code, stdout } = await proof(path('report.json'));

    expect(stdout).to.include('Signature Verified Successfully');
    expect(code).to.equal(0);
  });

  it('is not, when one count is another', async () => {
    const text = await readFile(path('report.json'), 'utf8');
    await writeFile(path('changed.json'), text.replace('"new-uid": 3', '"new-uid": 2'));
    expect(await readFile(path('changed.json'), 'utf8')).to.not.equal(text);

    expect((await proof(path('changed.json'))).code).to.not.equal(0);
    const to = captureTerminal();
    expect(await reportCommand(['verify', path('changed.json'), '--key', path('hub.pem')], to)).to.equal(1);
    expect(to.lines.join('')).to.include('CHANGED');
  });

  it('is proven by `hub report verify`, with the partner’s copy of the key or on the hub itself', async () => {
    for (const key of [
      ['--key', path('hub.pem')],
      ['--data', path('data')],
    ]) {
      const to = captureTerminal();
      expect(await reportCommand(['verify', path('report.json'), ...key], to)).to.equal(0);
      expect(to.lines.join('')).to.include('as the hub signed it');
    }
    expect(
      await reportCommand(['verify', path('report.json'), '--data', path('another-hub')], captureTerminal()),
    ).to.equal(1);
    expect(await thrownBy(reportCommand(['verify'], captureTerminal()))).to.have.property('code', 'command.usage');
    expect(await thrownBy(reportCommand(['verify', path('hub.pem')], captureTerminal()))).to.have.property(
      'code',
      'file.failed',
    );
  });
});
