/** What must differ between those who read from Kafka: users, and the beginnings of their consumer groups. */
import { entriesAt, isMapping, type Report, valueAt } from './raw-values.ts';

export function reportKafkaPartners(raw: unknown, report: Report): void {
  const isKafka = valueAt(raw, ['bus', 'kind']) === 'kafka';
  const hubName = valueAt(raw, ['hub', 'name']);
  const given = valueAt(raw, ['bus', 'groupPrefix']);
  const own = typeof given === 'string' ? given : `hub.${typeof hubName === 'string' ? hubName : 'hub'}.`;
  const groups = [{ owner: 'the hub itself', prefix: own }];
  const users = new Map<string, string>();
  for (const { index, name, value } of entriesAt(raw, ['partners'])) {
    const { kafka } = value;
    if (name === undefined || !isMapping(kafka)) continue;
    const at = ['partners', index, 'kafka'];
    if (!isKafka) report(at, 'belongs to bus: { kind: kafka }');
    const user = typeof kafka['user'] === 'string' ? kafka['user'] : name;
    const prefix = typeof kafka['groupPrefix'] === 'string' ? kafka['groupPrefix'] : `${name}.`;
    const twin = users.get(user);
    if (twin !== undefined) report(at, `the user ${user} is ${twin}'s, who could then read these events`);
    users.set(user, name);
    const clash = groups.find((each) => each.prefix.startsWith(prefix) || prefix.startsWith(each.prefix));
    if (clash !== undefined)
      report(at, `consumer groups ${prefix}… are also ${clash.owner}'s: give it another groupPrefix`);
    groups.push({ owner: name, prefix });
  }
}
