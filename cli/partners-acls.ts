/** What a partner may do in Kafka: read its topic, in consumer groups of its own. Nothing else is said, so nothing else is allowed. */
import type { KafkaPartner } from '../config/bus.ts';

export interface AclRule {
  readonly resource: 'topic' | 'group';
  readonly name: string;
  readonly pattern: 'literal' | 'prefixed';
  readonly operations: readonly ('Read' | 'Describe')[];
}

export function aclRules({ topic, groupPrefix }: KafkaPartner): readonly AclRule[] {
  return [
    { resource: 'topic', name: topic, pattern: 'literal', operations: ['Read', 'Describe'] },
    { resource: 'group', name: groupPrefix, pattern: 'prefixed', operations: ['Read', 'Describe'] },
  ];
}

/** For kafka-acls.sh of Kafka itself. Names are checked by the configuration: there is nothing in them to quote. */
export function aclCommands(partner: KafkaPartner, bootstrap: string): readonly string[] {
  return aclArguments(partner).map(
    (args) => `kafka-acls.sh --bootstrap-server ${bootstrap} --command-config admin.properties ${args.join(' ')}`,
  );
}

/** One call of the tool a rule. */
export function aclArguments(partner: KafkaPartner): readonly (readonly string[])[] {
  return aclRules(partner).map(({ resource, name, pattern, operations }) => [
    ...['--add', '--allow-principal', `User:${partner.user}`],
    ...operations.flatMap((operation) => ['--operation', operation]),
    ...[`--${resource}`, name, '--resource-pattern-type', pattern],
  ]);
}

/** For the User Operator of Strimzi; `strimzi.io/cluster` is the name of the Kafka resource. */
export function strimziUser(partner: KafkaPartner): string {
  const rules = aclRules(partner).map(
    ({ resource, name, pattern, operations }) => `      - resource:
          type: ${resource}
          name: ${name}
          patternType: ${pattern === 'prefixed' ? 'prefix' : 'literal'}
        operations: [${operations.join(', ')}]`,
  );
  return `apiVersion: kafka.strimzi.io/v1beta2
kind: KafkaUser
metadata:
  name: ${partner.user}
  labels:
    strimzi.io/cluster: hub
spec:
  authentication:
    type: scram-sha-512
  authorization:
    type: simple
    acls:
${rules.join('\n')}
---`;
}
