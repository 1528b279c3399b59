import { expect } from 'chai';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { partners } from '../../cli/partners.ts';
import { HubError } from '../../core/errors.ts';
import { parseYaml } from '../../config/yaml.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

const KAFKA = `bus: { kind: kafka, brokers: [kafka-1:9092, kafka-2:9092] }
partners:
  - { name: kct, kafka: {} }
  - { name: web-only }
  - { name: auria, kafka: { user: auria-reader, groupPrefix: biobank- } }
`;

describe('hub partners acls', () => {
  const folder = temporaryFolder();
  const run = async (text: string, ...args: readonly string[]) => {
    const file = join(folder.path, 'hub.yaml');
    await writeFile(file, text);
    const to = captureTerminal();
    return { code: await partners(['acls', '--config', file, ...args], to), to };
  };

  it('lets each partner with a topic read that topic in groups of its own, and nothing else', async () => {
    const { code, to } = await run(KAFKA, '--json');

    expect(code).to.equal(0);
    const { partners: rows } = JSON.parse(to.lines.join('\n')) as {
      partners: { partner: string; rules: unknown; commands: string[] }[];
    };
    expect(rows.map(({ partner, rules }) => ({ partner, rules }))).to.deep.equal([
      {
        partner: 'kct',
        rules: [
          { resource: 'topic', name: 'partner.kct.v1', pattern: 'literal', operations: ['Read', 'Describe'] },
          { resource: 'group', name: 'kct.', pattern: 'prefixed', operations: ['Read', 'Describe'] },
        ],
      },
      {
        partner: 'auria',
        rules: [
          { resource: 'topic', name: 'partner.auria.v1', pattern: 'literal', operations: ['Read', 'Describe'] },
          { resource: 'group', name: 'biobank-', pattern: 'prefixed', operations: ['Read', 'Describe'] },
        ],
      },
    ]);
    expect(rows[1]?.commands).to.deep.equal([
      'kafka-acls.sh --bootstrap-server kafka-1:9092 --command-config admin.properties --add --allow-principal User:auria-reader --operation Read --operation Describe --topic partner.auria.v1 --resource-pattern-type literal',
      'kafka-acls.sh --bootstrap-server kafka-1:9092 --command-config admin.properties --add --allow-principal User:auria-reader --operation Read --operation Describe --group biobank- --resource-pattern-type prefixed',
    ]);
  });

  it('prints users for Strimzi that are YAML', async () => {
    const { to } = await run(KAFKA);

    const [user = ''] = /apiVersion[\s\S]*?(?=\n---)/.exec(to.lines.join('\n')) ?? [];
    expect(parseYaml(user).value).to.deep.equal({
      apiVersion: 'kafka.strimzi.io/v1beta2',
      kind: 'KafkaUser',
      metadata: { name: 'kct', labels: { 'strimzi.io/cluster': 'hub' } },
      spec: {
        authentication: { type: 'scram-sha-512' },
        authorization: {
          type: 'simple',
          acls: [
            {
              resource: { type: 'topic', name: 'partner.kct.v1', patternType: 'literal' },
              operations: ['Read', 'Describe'],
            },
            { resource: { type: 'group', name: 'kct.', patternType: 'prefix' }, operations: ['Read', 'Describe'] },
          ],
        },
      },
    });
  });

  it('says so when the bus is not Kafka', async () => {
    const outcome = await run('partners: [{ name: kct }]\n').catch((error: unknown) => error);

    expect(outcome).to.be.instanceOf(HubError);
    expect(outcome).to.have.property('code', 'resource.not-found');
  });

  it('says so when no partner reads from Kafka', async () => {
    const { code, to } = await run('bus: { kind: kafka, brokers: [kafka:9092] }\npartners: [{ name: kct }]\n');

    expect(code).to.equal(0);
    expect(to.lines.join('\n')).to.contain('no partner reads from Kafka');
  });
});

describe('hub partners', () => {
  const folder = temporaryFolder();
  const run = async (...argv: readonly string[]) => {
    const file = join(folder.path, 'hub.yaml');
    await writeFile(file, 'partners: [{ name: kct, expires: 2040-01-31, contact: imaging@kct.example.org }]\n');
    const to = captureTerminal();
    const code = await partners([...argv, '--config', file, '--data', folder.path], to);
    return { code, text: to.lines.join('\n') };
  };
  before(async () => {
    await (await openSqliteLedger({ file: join(folder.path, 'ledger.db') })).close();
  });

  it('lists those of the configuration and those that were made at run time, and whether they have access', async () => {
    const made = await run('create', 'uef', '--expires', '2031-12-31', '--contact', 'data@uef.example.org');
    await run('suspend', 'kct');

    const lines = (await run('list')).text.split('\n');

    expect(made.text).to.contain('does not get yet, and needs for it:\n  results: a route with');
    expect(lines[1]).to.match(/^kct +configuration +suspended +0 +0 +imaging@kct\.example\.org$/);
    expect(lines[2]).to.match(/^uef +run-time +until 2031-12-31 +0 +0 +data@uef\.example\.org$/);
  });

  it('extends access, up to what the configuration says, and shows who changed what', async () => {
    const { text: later } = await run('extend', 'uef', '--expires', '2033-01-31');
    const { text: resumed } = await run('resume', 'kct');
    const { text: beyond } = await run('extend', 'kct', '--expires', '2050-01-31');
    await run('extend', 'uef', '--expires', 'never');

    const { text: shown } = await run('show', 'uef');

    expect([later, resumed, beyond].map((text) => /until \S+/.exec(text)?.[0])).to.deep.equal([
      'until 2033-01-31',
      'until 2040-01-31',
      'until 2040-01-31',
    ]);
    expect(shown).to.match(/changes:\n.*when +by +what\n.*local +\{\}\n.*local +\{"expiresAt":"2033-01-31/);
    expect(shown).not.to.match(/^expiresAt/m);
  });

  const wrong: readonly (readonly [string, ...string[]])[] = [
    ['suspend which partner?', 'suspend'],
    ['one partner at a time', 'suspend', 'kct', 'uef'],
    ['list takes no kct: show kct?', 'list', 'kct'],
    ['--expires soon: a time like 2027-01-31, or never', 'extend', 'kct', '--expires', 'soon'],
    ['extend --expires TIME', 'extend', 'kct'],
    ['--contact is not for suspend', 'suspend', 'kct', '--contact', 'x'],
    ['no delete: list, show, create, suspend, resume, extend or acls', 'delete', 'kct'],
  ];
  for (const [detail, ...argv] of wrong) {
    it(`says what is wrong: ${detail}`, async () => {
      const error = await thrownBy(run(...argv));

      expect(error).to.be.instanceOf(HubError);
      expect(error.fields['detail']).to.equal(detail);
    });
  }
});
