import { expect } from 'chai';
import type { Ledger } from '../../../core/ledger.ts';
import { nodeLease } from '../../../core/ledger/replicas.ts';
import type { PostgresServer } from '../../../platform/ledger/postgres/connection.ts';
import { COMPLETION, received, record, STUDY } from '../../contracts/ledger-facts.ts';
import { postgres } from '../../support/postgres.ts';
import { Replicas } from './postgres-ledgers.ts';

const LEASE_MS = 15_000;

describe('what a replica has received, on a PostgreSQL ledger', function () {
  this.timeout(60_000);
  let replicas: Replicas;
  let server: PostgresServer;
  let a: Ledger;
  let b: Ledger;

  before(() => postgres());
  beforeEach(async () => {
    replicas = new Replicas();
    server = await (await postgres()).createDatabase();
    [a, b] = [await replicas.open(server), await replicas.open(server)];
  });
  afterEach(() => replicas.close());

  const dueOf = async (ledger: Ledger, abandonedAt?: Date) => {
    const whose = abandonedAt === undefined ? {} : { abandonedAt };
    const due = await ledger.studies.due(replicas.clock.now(), 10, whose);
    const next = await ledger.studies.nextDue(whose);
    return { studies: due.length, next: next !== undefined };
  };

  it('is due there and nowhere else, as long as it has its lease; then for whoever takes over', async () => {
    await a.leases.acquire(nodeLease('node-0'), 'a', COMPLETION.quietMs + LEASE_MS, replicas.clock.now());
    await record(a, received(1));
    const at = replicas.clock.advance(COMPLETION.quietMs);

    const held = [await dueOf(a), await dueOf(b), await dueOf(b, at)];
    const later = replicas.clock.advance(LEASE_MS);
    const abandoned = [await dueOf(b), await dueOf(b, later)];

    const [is, isNot] = [
      { studies: 1, next: true },
      { studies: 0, next: false },
    ];
    expect(held).to.deep.equal([is, isNot, isNot]);
    expect(abandoned).to.deep.equal([isNot, is]);
    expect(await b.studies.due(later, 10)).to.have.length(1);
  });

  it('goes with the last instance to the replica that got it', async () => {
    await record(a, received(1));
    await record(b, received(2));

    replicas.clock.advance(COMPLETION.quietMs);

    expect([await dueOf(a), await dueOf(b)].map(({ studies }) => studies)).to.deep.equal([0, 1]);
  });

  it('has a storage commitment told by the replica that took the request last', async () => {
    const { sopClassUid, sopInstanceUid } = received(1, { studyInstanceUid: STUDY });
    const asked = {
      ...{ commitmentId: 'c', transactionUid: '1.2.3', source: 'pacs', callingAeTitle: 'PACS', calledAeTitle: 'HUB' },
      ...{ associationId: 'association', items: [{ sopClassUid, sopInstanceUid }] },
    };
    const now = replicas.clock.now();
    const seen = async () =>
      Promise.all([a, b].map(async (ledger) => (await ledger.commitments.due(now, 10, {})).length));

    await a.commitments.request(asked, now);
    const first = await seen();
    await b.commitments.request({ ...asked, commitmentId: 'd' }, now);
    const second = await seen();

    expect([first, second]).to.deep.equal([
      [1, 0],
      [0, 1],
    ]);
    expect(await a.commitments.due(now, 10, { abandonedAt: now })).to.have.length(1);
  });

  it('is worked on with keys that all replicas have: the first says which', async () => {
    const agreed = await Promise.all([a, b, a].map((ledger, n) => ledger.keys.agree('feed', String(n % 2))));

    expect(new Set(agreed)).to.have.length(1);
    const [first] = agreed;
    expect(first).to.be.oneOf(['0', '1']);
    expect(await b.keys.agree('feed', 'third')).to.equal(first);
    expect(await b.keys.agree('deidentify', 'other')).to.equal('other');
  });
});
