import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Ledger } from '../../../../core/ledger.ts';
import { type KafkaBus, type KafkaBusOptions, openKafkaBus } from '../../../../platform/bus/kafka/bus.ts';
import { audited } from '../../../contracts/ledger-facts.ts';
import { type Authority, type Certificate, makeAuthority } from '../../../support/certificates.ts';
import { type KafkaPeer, startKafka } from '../../../support/kafka.ts';
import { openTestLedger } from '../../../support/open-ledger.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { waitFor } from '../../../support/wait-for.ts';
import { busOptions } from './bus-on-kafka.ts';

describe('a bus through Kafka over TLS', () => {
  const folder = temporaryFolder();
  let kafka: KafkaPeer | undefined;
  let authority: Authority;
  let own: Certificate;
  let ledger: Ledger;
  let remove: () => Promise<void>;
  let bus: KafkaBus | undefined;

  before(async function () {
    this.timeout(90_000);
    authority = await makeAuthority(folder.path);
    own = await authority.sign('hub', '/CN=hub');
    const broker = await authority.sign('broker', '/CN=broker');
    const keystore = join(folder.path, 'broker.pem');
    await writeFile(keystore, (await readFile(broker.key, 'utf8')) + (await readFile(broker.certificate, 'utf8')));
    kafka = await startKafka({ tls: { keystore, truststore: authority.certificate, clientAuth: true } });
  });
  after(() => kafka?.stop());
  beforeEach(async () => {
    ({ ledger, remove } = await openTestLedger());
    await ledger.events.append([audited('a')]);
  });
  afterEach(async () => {
    await bus?.stop();
    await remove();
  });

  const open = (tls: KafkaBusOptions['connection']['tls']): KafkaBus => {
    const broker = kafka?.broker ?? '';
    bus = openKafkaBus(busOptions(ledger, broker, { connection: { clientId: 'hub', brokers: [broker], tls } }));
    return bus;
  };

  it('is let in with its certificate', async function () {
    this.timeout(30_000);
    const text = async (file: string) => readFile(file, 'utf8');
    const opened = open({
      ca: await text(authority.certificate),
      certificate: await text(own.certificate),
      key: await text(own.key),
    });

    await waitFor('the fact in Kafka', async () => (await opened.waiting())[0]?.events === 0, 20_000);

    expect(opened.problems()).to.deep.equal([]);
  });

  it('says that the certificate is the matter when it trusts other authorities', async () => {
    const opened = open({});

    const problem = await waitFor('the problem', () => opened.problems()[0]);

    expect(problem.error.code).to.equal('bus.certificate');
  });

  it('says that the certificate is the matter when it has none to show', async () => {
    const opened = open({ ca: await readFile(authority.certificate, 'utf8') });

    const problem = await waitFor('the problem', () => opened.problems()[0]);

    expect(problem.error.code).to.equal('bus.certificate');
  });
});
