import { expect } from 'chai';
import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { createKeyBox } from '../../../connectors/webhook/key-box.ts';
import { parseSigningKey, publicKeyOf, signedHeaders } from '../../../connectors/webhook/signature.ts';

const BODY = '{"id":"1"}';
const now = () => Math.floor(Date.now() / 1000);

/** As a partner would, from nothing but what it was given. */
function verifies(publicKey: string, headers: Readonly<Record<string, string>>, body: string): boolean {
  const raw = Buffer.from(publicKey.replace('whpk_', ''), 'base64');
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  const content = Buffer.from(`${headers['webhook-id'] ?? ''}.${headers['webhook-timestamp'] ?? ''}.${body}`);
  const signatures = (headers['webhook-signature'] ?? '').split(' ').filter((each) => each.startsWith('v1a,'));
  return signatures.some((each) => verify(null, content, key, Buffer.from(each.slice(4), 'base64')));
}

describe('the keys of a webhook', () => {
  const box = createKeyBox(randomBytes(32));

  it('sign so that the Standard Webhooks library and the public key both believe it', () => {
    const { secret, kept } = box.make('hook-1');

    const headers = signedHeaders([box.open('hook-1', kept.sealed)], 'msg-1', now(), BODY);

    expect(new Webhook(secret).verify(BODY, headers)).to.deep.equal({ id: '1' });
    expect(kept.publicKey).to.match(/^whpk_[A-Za-z0-9+/]{43}=$/);
    expect([verifies(kept.publicKey, headers, BODY), verifies(kept.publicKey, headers, `${BODY} `)]).to.deep.equal([
      true,
      false,
    ]);
  });

  it('sign all together while they are being changed', () => {
    const [one, two] = [box.make('hook-1'), box.make('hook-1')];

    const headers = signedHeaders(
      [two, one].map(({ kept }) => box.open('hook-1', kept.sealed)),
      'msg-1',
      now(),
      BODY,
    );

    for (const { secret, kept } of [one, two]) {
      expect(new Webhook(secret).verify(BODY, headers)).to.deep.equal({ id: '1' });
      expect(verifies(kept.publicKey, headers, BODY)).to.equal(true);
    }
  });

  it('open only with the key of the hub, for the webhook they were made for', () => {
    const { kept } = box.make('hook-1');

    expect(() => box.open('hook-2', kept.sealed)).to.throw('webhooks.key');
    expect(() => createKeyBox(randomBytes(32)).open('hook-1', kept.sealed)).to.throw('webhooks.key');
    expect(kept.sealed).not.to.contain(box.open('hook-1', kept.sealed).hmac.toString('base64'));
  });

  it('of a configured webhook may sign with Ed25519 too', () => {
    const seed = randomBytes(32);
    const ed25519 = parseSigningKey(`whsk_${seed.toString('base64')}`);

    const headers = signedHeaders([{ hmac: randomBytes(32), ed25519 }], 'msg-1', now(), BODY);

    expect(verifies(publicKeyOf(ed25519), headers, BODY)).to.equal(true);
    expect(() => parseSigningKey('whsk_AAAA')).to.throw('whsk_');
  });
});
