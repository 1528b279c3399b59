/** The bus of the configuration, with its secrets read. */
import { kafkaPartners, ownGroupPrefix } from '../config/bus.ts';
import { type Environment, readSecret } from '../config/environment.ts';
import type { BusChoice } from '../platform/bus/open.ts';
import type { Config } from './shapes.ts';

/**
 * @param identity - of the data folder: no other replica has it
 * @throws {HubError} `config.invalid` when a secret cannot be had
 */
export function busChoice({ bus, hub, ledger, partners }: Config, env: Environment, identity: string): BusChoice {
  // A ledger in a file has one hub, which waits for nobody's lease.
  if (bus.kind === 'embedded') return ledger.kind === 'sqlite' ? bus : { ...bus, replica: { owner: identity } };
  const { brokers, tls, sasl, partitions, replication, createTopics } = bus;
  const read = (reference: { readonly env: string } | { readonly file: string } | undefined) =>
    reference === undefined ? undefined : readSecret(reference, env);
  return {
    kind: 'kafka',
    hubName: hub.name,
    owner: hub.node,
    connection: {
      clientId: `hub-${hub.name}-${hub.node}`,
      brokers,
      tls: tls && { ca: read(tls.ca), certificate: read(tls.certificate), key: read(tls.key) },
      sasl: sasl && { mechanism: sasl.mechanism, username: sasl.username, password: readSecret(sasl.password, env) },
    },
    topics: { partitions, replication, mayCreate: createTopics },
    groupPrefix: ownGroupPrefix({ bus, hub }),
    partners: kafkaPartners(partners).map(({ partner }) => partner),
  };
}
