/** `hub partners acls`: what an administrator of Kafka sets up, so that each partner reads its own topic and nothing else. */
import { kafkaPartners } from '../config/bus.ts';
import { HubError } from '../core/errors.ts';
import { configShapes } from '../shapes.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, requireConfig } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { aclCommands, aclRules, strimziUser } from './partners-acls.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = { config: CONFIG_OPTION, json: JSON_OPTION } as const;

export async function partners(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [verb, more] = positionals;
  if (verb !== 'acls') throw new HubError('command.usage', { detail: `no ${verb ?? 'command'}: acls` });
  if (more !== undefined) throw new HubError('command.usage', { detail: `acls takes no ${more}` });
  const config = requireConfig(values, configShapes());
  if (config.bus.kind !== 'kafka')
    throw new HubError('resource.not-found', { detail: 'the bus of this configuration is not Kafka' });
  const found = kafkaPartners(config.partners);
  const [bootstrap = ''] = config.bus.brokers;
  const answer = found.map((partner) => ({
    ...partner,
    rules: aclRules(partner),
    commands: aclCommands(partner, bootstrap),
    kafkaUser: strimziUser(partner),
  }));
  if (values.json === true) to.out(json({ partners: answer }));
  else if (answer.length === 0) to.out('# no partner reads from Kafka: give one `kafka: {}` under partners');
  else {
    for (const { partner, topic, commands, kafkaUser } of answer) {
      to.out(`# ${partner} reads ${topic}, and nothing else. With Kafka's own tools:`);
      for (const command of commands) to.out(command);
      to.out(`# or with Strimzi:`);
      to.out(kafkaUser);
    }
  }
  return Promise.resolve(EXIT.done);
}
