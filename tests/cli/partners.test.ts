import { expect } from 'chai';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { partners } from '../../cli/partners.ts';
import { HubError } from '../../core/errors.ts';
import { parseYaml } from '../../config/yaml.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

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
