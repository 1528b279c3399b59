import { expect } from 'chai';
import { algorithmsFor, fingerprintOf, keyTypeOf, knownHosts, pinnedKeys } from '../../../connectors/sftp/host-key.ts';

const ED25519 = 'AAAAC3NzaC1lZDI1NTE5AAAAIKx9iXpSm4V1lPIYVnjIrk4BbzW6h4Zx0Wv3+fVn8C0j';
const RSA = Buffer.concat([Buffer.from([0, 0, 0, 7]), Buffer.from('ssh-rsa'), Buffer.alloc(64, 7)]).toString('base64');
const key = (text: string): Buffer => Buffer.from(text, 'base64');

describe('the host keys of an SFTP server', () => {
  it('are those of its lines only: by name, pattern, port, and not where a pattern excludes it', () => {
    const accepts = (line: string, host: string, port = 22) => knownHosts(line, host, port).accepts(key(ED25519));

    expect(accepts(`files.example.org ssh-ed25519 ${ED25519} comment`, 'files.example.org')).to.equal(true);
    expect(accepts(`files.example.org ssh-ed25519 ${ED25519}`, 'FILES.example.org')).to.equal(true);
    expect(accepts(`a,*.example.org ssh-ed25519 ${ED25519}`, 'files.example.org')).to.equal(true);
    expect(accepts(`*.example.org,!files.example.org ssh-ed25519 ${ED25519}`, 'files.example.org')).to.equal(false);
    expect(accepts(`files.example.org ssh-ed25519 ${ED25519}`, 'filesXexample.org')).to.equal(false);
    expect(accepts(`files.example.org ssh-ed25519 ${ED25519}`, 'files.example.org', 2222)).to.equal(false);
    expect(accepts(`[files.example.org]:2222 ssh-ed25519 ${ED25519}`, 'files.example.org', 2222)).to.equal(true);
    expect(accepts(`# files.example.org ssh-ed25519 ${ED25519}`, 'files.example.org')).to.equal(false);
    expect(accepts('', 'files.example.org')).to.equal(false);
  });

  it('are none that a line revokes, and none of an authority, which is not followed', () => {
    const line = `files.example.org ssh-ed25519 ${ED25519}`;

    expect(knownHosts(`${line}\n@revoked ${line}`, 'files.example.org', 22).accepts(key(ED25519))).to.equal(false);
    expect(knownHosts(`@cert-authority ${line}`, 'files.example.org', 22).accepts(key(ED25519))).to.equal(false);
  });

  it('are asked for by the types that are known, never with SHA-1', () => {
    const rsaOnly = knownHosts(`files ssh-rsa ${RSA}`, 'files', 22);

    expect(keyTypeOf(key(RSA))).to.equal('ssh-rsa');
    expect(algorithmsFor(rsaOnly, new Set())).to.deep.equal(['rsa-sha2-512', 'rsa-sha2-256']);
    expect(algorithmsFor(pinnedKeys([]), new Set(['ssh-ed25519']))[0]).to.equal('ecdsa-sha2-nistp256');
    expect(algorithmsFor(pinnedKeys([]), new Set())).to.not.include('ssh-rsa');
  });

  it('are pinned by the fingerprint of just that key', () => {
    const fingerprint = fingerprintOf(key(ED25519));

    expect(fingerprint).to.match(/^SHA256:[A-Za-z0-9+/]{43}$/);
    expect(pinnedKeys([fingerprint]).accepts(key(ED25519))).to.equal(true);
    expect(pinnedKeys([fingerprint]).accepts(key(RSA))).to.equal(false);
  });
});
