import { expect } from 'chai';
import { MR, RawPeer, associateRequest, item } from '../../support/raw-association.ts';
import { startGateway, type RunningGateway } from '../../support/running-gateway.ts';
import { userItem, userItems } from '../../support/user-items.ts';

const CT = '1.2.840.10008.5.1.4.1.1.2';
const COMMITMENT = '1.2.840.10008.1.20.1';
const VERIFICATION = '1.2.840.10008.1.1';
const RLE = '1.2.840.10008.1.2.5';

const uid = (text: string) => Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)]);
const role = (text: string, scu: number, scp: number) =>
  item(0x54, Buffer.concat([uid(text), Buffer.from([scu, scp])]));
const identity = (type: number, response: number, name: string, code: string) =>
  item(0x58, Buffer.concat([Buffer.from([type, response]), uid(name), uid(code)]));

describe('what the DIMSE door negotiates', function () {
  this.timeout(30_000);
  let hub: RunningGateway;

  before(async () => {
    hub = await startGateway({
      dimse: {
        titles: [
          { aeTitle: 'HUB', storageCommitment: true },
          { aeTitle: 'MR_ONLY', storageCommitment: false, sopClasses: [MR], sources: ['named'] },
        ],
        sources: [
          { name: 'any', aeTitle: 'SCANNER', hosts: [] },
          { name: 'named', aeTitle: 'NAMED', hosts: [], userIdentity: { username: 'mr', passcode: 'secret' } },
          { name: 'idle', aeTitle: 'IDLE', hosts: [], idleMs: 100, maxAssociations: 1 },
        ],
        timeouts: { idleMs: 20_000 },
      },
    });
  });

  after(async () => {
    await hub.remove();
  });

  const answer = async (options: Parameters<typeof associateRequest>[0]) => {
    const peer = await RawPeer.connect(hub.port);
    peer.send(associateRequest(options));
    const pdu = await peer.next();
    peer.destroy();
    return pdu;
  };

  /** Context id and result. */
  function results(body: Buffer): readonly (readonly [number, number])[] {
    const found: [number, number][] = [];
    for (let at = 68; at < body.length; at += 4 + body.readUInt16BE(at + 2)) {
      if (body[at] === 0x21) found.push([body.readUInt8(at + 4), body.readUInt8(at + 6)]);
    }
    return found;
  }

  it('takes the SCU role it is offered, never the SCP role, and no context on which it would have to ask', async () => {
    const { body } = await answer({
      contexts: [
        { id: 1, abstractSyntax: MR },
        { id: 3, abstractSyntax: CT },
        { id: 5, abstractSyntax: COMMITMENT },
      ],
      userItems: [role(MR, 1, 1), role(CT, 0, 1)],
    });

    expect(results(body)).to.deep.equal([
      [1, 0],
      [3, 1],
      [5, 0],
    ]);
    expect(userItems(body, 0x54).map((value) => value.toString('hex'))).to.deep.equal([
      Buffer.concat([uid(MR), Buffer.from([1, 0])]).toString('hex'),
    ]);
  });

  it('says what it makes of stored objects when extended negotiation asks: full, bit for bit, nothing coerced', async () => {
    const { body } = await answer({ userItems: [item(0x56, Buffer.concat([uid(MR), Buffer.alloc(6)]))] });

    expect([...(userItem(body, 0x56)?.subarray(2 + MR.length) ?? [])]).to.deep.equal([2, 0, 3, 0, 0]);
  });

  it('takes storage commitment in uncompressed little endian only, and verification in whatever it can read', async () => {
    const { body } = await answer({
      contexts: [
        { id: 1, abstractSyntax: COMMITMENT, transferSyntaxes: [RLE] },
        { id: 3, abstractSyntax: VERIFICATION, transferSyntaxes: [RLE] },
      ],
    });

    expect(results(body)).to.deep.equal([
      [1, 4],
      [3, 0],
    ]);
  });

  it('offers at a title what the title says, to whom it says', async () => {
    const contexts = [
      { id: 1, abstractSyntax: MR },
      { id: 3, abstractSyntax: CT },
      { id: 5, abstractSyntax: COMMITMENT },
      { id: 7, abstractSyntax: VERIFICATION },
    ];
    const proven = [identity(2, 0, 'mr', 'secret')];
    const [mine, other] = [
      await answer({ called: 'MR_ONLY', calling: 'NAMED', contexts, userItems: proven }),
      await answer({ called: 'MR_ONLY', contexts }),
    ];

    expect(results(mine.body).map(([, result]) => result)).to.deep.equal([0, 3, 3, 0]);
    expect([other.type, ...other.body]).to.deep.equal([3, 0, 1, 1, 3]);
  });

  it('answers a proven user identity when asked to, and one nobody checked not at all', async () => {
    const [asked, unasked, unchecked] = [
      await answer({ calling: 'NAMED', userItems: [identity(2, 1, 'mr', 'secret')] }),
      await answer({ calling: 'NAMED', userItems: [identity(2, 0, 'mr', 'secret')] }),
      await answer({ userItems: [identity(2, 1, 'mr', 'secret')] }),
    ];

    expect([...(userItem(asked.body, 0x59) ?? [])]).to.deep.equal([0, 0]);
    expect([unasked.type, userItem(unasked.body, 0x59)]).to.deep.equal([2, undefined]);
    expect([unchecked.type, userItem(unchecked.body, 0x59)]).to.deep.equal([2, undefined]);
  });

  it('rejects a user identity that is missing or wrong, and writes no word of it', async () => {
    const [missing, wrong, cut] = [
      await answer({ calling: 'NAMED' }),
      await answer({ calling: 'NAMED', userItems: [identity(2, 1, 'mr', 'Planted-Passcode')] }),
      await answer({ calling: 'NAMED', userItems: [item(0x58, Buffer.from([2, 1, 0, 9, 0]))] }),
    ];

    expect([missing, wrong].map(({ type, body }) => [type, ...body])).to.deep.equal([
      [3, 0, 1, 2, 1],
      [3, 0, 1, 2, 1],
    ]);
    expect([cut.type, ...cut.body]).to.deep.equal([7, 0, 0, 2, 6]);
    expect(JSON.stringify(hub.lines)).to.not.include('Planted');
  });

  it('ends an association sooner, and has fewer of them, where a source says so', async () => {
    const patient = await RawPeer.associate(hub.port);
    const hasty = await RawPeer.associate(hub.port, { calling: 'IDLE' });

    const second = await answer({ calling: 'IDLE' });
    const end = await hasty.untilClosed();

    expect([second.type, ...second.body]).to.deep.equal([3, 0, 2, 3, 2]);
    expect(end.at(-1)?.type).to.equal(7);
    expect(patient.isClosed).to.equal(false);
    patient.destroy();
  });
});
