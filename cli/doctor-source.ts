/** Whether a source can reach the hub and would be let in: what no scanner's own test says. */
import { reverse } from 'node:dns/promises';
import * as z from 'zod';
import { source as sourceShape } from '../api/shapes.ts';
import { type Diagnosis, fine, skipped, warning, wrong } from '../core/diagnosis.ts';
import type { Config } from '../wiring/shapes.ts';
import { isLoopback, listenAddresses, portFailure } from './doctor-door.ts';
import {
  addressesOf,
  certificateOf,
  type Decide,
  decideFor,
  hostsOf,
  isAddressOrRange,
  type Source,
  titlesFor,
} from './doctor-policy.ts';
import { mayBe, refusalList, refusalOfSource, type Surroundings } from './doctor-refusals.ts';
import { selfAssociation } from './doctor-self-association.ts';
import { askRunningHub } from './hub-api.ts';

const REVERSE_TIMEOUT_MS = 2_000;
const SHORT_PROGRESS_MS = 5_000;
const sourceList = z.object({ items: z.array(sourceShape) });

export async function* examineSource(config: Config, source: Source, signal: AbortSignal): AsyncGenerator<Diagnosis> {
  const { dimse } = config.gateway;
  const decide = decideFor(config, await hostsOf(dimse.sources));
  const aeTitles = titlesFor(config, source);
  const surroundings = { sources: dimse.sources, aeTitles, decide };
  const seen = await askRunningHub(config, '/api/v1/sources');
  // Before our own call, which may be refused as well.
  const refused = await askRunningHub(config, '/api/v1/refusals');

  yield scannerSettings(config, source);
  for (const host of source.hosts) yield* hostNames(host);
  if (seen === undefined) {
    yield wrong(
      'running',
      'The hub does not run',
      `Nobody answers on the socket in ${config.hub.data}: this source cannot send.`,
      '"hub start" with the same --config and --data, or start the service; if it ended by itself, its log says why.',
    );
  } else {
    yield* lastSeen(seen, source);
    yield* refusals(refused, seen, source, surroundings, listenAddresses(dimse.host)[0]);
    const answering = yield* ports(config);
    if (answering !== undefined) yield* selfAssociation(config, source, decide, answering, signal);
  }
  for (const address of [...new Set((await Promise.all(source.hosts.map(addressesOf))).flat())]) {
    yield decision(source, aeTitles, decide, address);
  }
  yield* proofs(source);
  yield timeouts(config);
}

/** What is to be entered at the scanner. */
function scannerSettings(config: Config, source: Source): Diagnosis {
  const { dimse } = config.gateway;
  const addresses = listenAddresses(dimse.host);
  const outside = addresses.filter((address) => !isLoopback(address));
  const isLocal = source.hosts.every(isLoopback);
  if (outside.length === 0 && !isLocal) {
    return wrong(
      'settings',
      `No scanner can reach the hub: it listens on ${dimse.host} only`,
      'That address is for programs on this machine.',
      'Set gateway.dimse.host: 0.0.0.0 (all addresses of this machine) and restart the hub.',
    );
  }
  const hosts = (isLocal ? addresses : outside).join(' or ');
  return fine(
    'settings',
    `On the scanner set: AE title of the archive = ${titlesFor(config, source).join(' or ')}, host = ${hosts}, ${portsOf(dimse, source)}; its own AE title = ${source.aeTitle}`,
  );
}

function portsOf({ port, tls }: Config['gateway']['dimse'], { certificate }: Source): string {
  if (tls === undefined) return `port ${port}`;
  // It has to show a certificate, which is nothing for the plain port.
  if (certificate !== undefined) return `port ${tls.port ?? port} with TLS`;
  return tls.port === undefined ? `port ${port} with TLS` : `port ${port}, or ${tls.port} with TLS`;
}

async function* hostNames(host: string): AsyncGenerator<Diagnosis> {
  const id = `hosts.${host}`;
  if (!isAddressOrRange(host)) {
    const addresses = await addressesOf(host);
    yield addresses.length > 0
      ? fine(id, `The name ${host} is ${addresses.join(', ')}; a running hub keeps what it was at its start`)
      : wrong(
          id,
          `The name ${host} cannot be resolved`,
          'The name service of this machine does not know it: the hub will not even start.',
          `Write the scanner's IP address into hosts of this source, or have the name entered; "getent hosts ${host}" must print it.`,
        );
    return;
  }
  if (host.includes('/')) return;
  const names = await reverseNames(host);
  if (names.length > 0) yield fine(id, `${host} is called ${names.join(', ')}`);
  else yield skipped(id, `${host} has no name`, 'The name service knows none; the hub does not need one.');
}

async function reverseNames(address: string): Promise<readonly string[]> {
  let late: NodeJS.Timeout | undefined;
  const inTime = new Promise<readonly string[]>((resolve) => {
    late = setTimeout(() => resolve([]), REVERSE_TIMEOUT_MS);
  });
  // Without an entry the name service says so by an error; nothing depends on it.
  const names = await Promise.race([reverse(address).catch(() => []), inTime]);
  clearTimeout(late);
  return names;
}

type Answer = NonNullable<Awaited<ReturnType<typeof askRunningHub>>>;

function lastSeenOf({ answer }: Answer, source: Source): string | undefined {
  return sourceList.safeParse(answer).data?.items.find(({ name }) => name === source.name)?.lastSeenAt;
}

function* lastSeen(seen: Answer, source: Source): Generator<Diagnosis> {
  const list = sourceList.safeParse(seen.answer).data?.items;
  if (list === undefined) {
    yield skipped(
      'last-seen',
      'When it was last seen is not known',
      'The running hub has no gateway (--stages), or is older.',
    );
  } else if (!list.some(({ name }) => name === source.name)) {
    yield wrong(
      'last-seen',
      `The running hub does not know the source ${source.name}`,
      'It was added to the configuration since the start, or the hub runs with another file.',
      'Restart the hub with this configuration.',
    );
  } else {
    const at = lastSeenOf(seen, source);
    yield at === undefined
      ? skipped(
          'last-seen',
          'It has not come since the start of the hub',
          'Send an image or a C-ECHO ("verify") from the scanner.',
        )
      : fine('last-seen', `It was last let in at ${at}`);
  }
}

function* refusals(
  refused: Answer | undefined,
  seen: Answer,
  source: Source,
  surroundings: Surroundings,
  calledAt: string | undefined,
): Generator<Diagnosis> {
  const items = refusalList.safeParse(refused?.answer).data?.items ?? [];
  const at = lastSeenOf(seen, source);
  let number = 0;
  for (const each of items) {
    const isOurs =
      each.address === calledAt && each.callingAeTitle === source.aeTitle && each.why === 'calling AE title';
    if (!mayBe(source, each, surroundings)) continue;
    number += 1;
    const isOver = isOurs
      ? 'It came from this very machine: an earlier run of this command calls so.'
      : at !== undefined && at > each.lastAt
        ? 'The source has come through since.'
        : undefined;
    yield refusalOfSource(source, each, number, isOver, surroundings);
  }
  if (number === 0) yield fine('refusals', 'Nobody like it was refused since the start of the hub');
}

/** @returns the addresses that answer; undefined when there is no use in calling */
async function* ports({ gateway: { dimse } }: Config): AsyncGenerator<Diagnosis, readonly string[] | undefined> {
  if (dimse.port === 0) {
    yield skipped('port', 'The DIMSE port is not known', 'Port 0 is any free one: give gateway.dimse.port a number.');
    return undefined;
  }
  const addresses = listenAddresses(dimse.host);
  const failures = await Promise.all(addresses.map((address) => portFailure(address, dimse.port)));
  const answering = addresses.filter((_, index) => failures[index] === undefined);
  const silent = addresses.flatMap((address, index) =>
    failures[index] === undefined ? [] : [`${address} (${failures[index]})`],
  );
  if (answering.length > 0) yield fine('port', `Port ${dimse.port} answers on ${answering.join(', ')}`);
  if (silent.length > 0) {
    yield wrong(
      'port',
      `Port ${dimse.port} does not answer on ${silent.join(', ')}`,
      'The hub runs, but not on this address: with another configuration, or a local firewall is in the way.',
      'Restart the hub with this configuration; "nft list ruleset" or "iptables -S" shows the firewall.',
    );
  }
  return answering.length > 0 ? answering : undefined;
}

/** What the hub would say to the source itself, from each of its addresses. */
function decision(source: Source, aeTitles: readonly string[], decide: Decide, address: string): Diagnosis {
  const id = `policy.${address}`;
  const [first = ''] = address.split('/');
  const from = address.includes('/') ? `an address of ${address}` : address;
  const said = decide({ address: first, callingAeTitle: source.aeTitle, calledAeTitle: aeTitles[0] ?? '' });
  if (said.accepted && said.source === source.name)
    return fine(id, `Calling as ${source.aeTitle} from ${from}, the scanner is let in as ${source.name}`);
  if (said.accepted) {
    return wrong(
      id,
      `From ${from} it would be taken for the source ${said.source}`,
      `${said.source} stands before it and has the same AE title and address.`,
      'Give each scanner an AE title of its own.',
    );
  }
  return wrong(
    id,
    `From ${from} it would be refused`,
    `The reason: ${said.why}.`,
    'Correct this source in the configuration.',
  );
}

/** What a source must show besides its title and address; only the scanner itself can. */
function* proofs(source: Source): Generator<Diagnosis> {
  const { certificate, userIdentity } = source;
  if (certificate !== undefined) {
    yield skipped(
      'certificate',
      'Whether it shows its certificate is not known',
      `Over TLS the scanner must show ${certificateOf(source)}.`,
    );
  }
  if (userIdentity !== undefined) {
    const why = `The scanner must send the user name ${userIdentity.username}${userIdentity.passcode === undefined ? '' : ' and its passcode'}.`;
    yield skipped('user-identity', 'Whether it sends its user identity is not known', why);
  }
}

/** What a slow scanner may take. */
function timeouts({ gateway: { dimse } }: Config): Diagnosis {
  const { associationMs, idleMs, progressMs } = dimse.timeouts;
  const seconds = (ms: number) => (ms >= 120_000 ? `${ms / 60_000} min` : `${ms / 1000} s`);
  const what = `The hub waits ${seconds(idleMs)} between images, ${seconds(progressMs)} inside one, ${seconds(associationMs)} for the first word`;
  return progressMs >= SHORT_PROGRESS_MS
    ? fine('timeouts', what)
    : warning(
        'timeouts',
        what,
        'A scanner that pauses inside an image is cut off.',
        'Set gateway.dimse.timeouts.progress to 30s, its default.',
      );
}
