/**
 * `hub doctor`: tries the hub itself, the way from each source, to what each pull fetches from and to each destination, and
 * says what to do.
 */
import { processEnvironment, readSecret } from '../config/environment.ts';
import { type Destination, probeDestination } from '../connectors/registry.ts';
import { type Diagnosis, wrong } from '../core/diagnosis.ts';
import { HubError, toHubError } from '../core/errors.ts';
import type { Logger } from '../core/ports.ts';
import { suggest } from '../core/suggestion.ts';
import type { OpenTopics } from '../core/topics.ts';
import { type Config, configShapes } from '../wiring/shapes.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION, requireConfig } from './configuration.ts';
import { examineHub } from './doctor-hub.ts';
import { type Examined, examinedLines, verdictLine } from './doctor-report.ts';
import { examinePull, pullHead } from './doctor-pull.ts';
import { examineSource } from './doctor-source.ts';
import { EXIT } from './exit-codes.ts';
import { sentenceOf } from './failure.ts';
import { interruptible } from './signals.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  source: { type: 'string', multiple: true, value: 'NAME', about: 'only this source; may be given again' },
  pull: { type: 'string', multiple: true, value: 'NAME', about: 'only this pull; may be given again' },
  destination: { type: 'string', multiple: true, value: 'NAME', about: 'only this destination; may be given again' },
  'send-test': {
    type: 'boolean',
    about: 'deliver a test instance (patient HUB-DOCTOR-TEST) or event to the destinations',
  },
  json: JSON_OPTION,
} as const;
/** Destinations tried at once: at night nobody wants to wait for one time-out after the other. */
const AT_ONCE = 8;
const MIN_WIDTH = 60;
const MAX_WIDTH = 100;
const DEFAULT_WIDTH = 80;

/** 0 when nothing is wrong, 1 when something is. */
export async function doctor(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  if (positionals.length > 0) {
    throw new HubError('command.usage', {
      detail: 'name what to look at with --source NAME, --pull NAME or --destination NAME',
    });
  }
  const config = requireConfig(values, configShapes());
  const sources = named(config.gateway.dimse.sources, values.source, 'source');
  const destinations = named(config.destinations, values.destination, 'destination');
  const pulls = named(config.pulls, values.pull, 'pull');
  const isAll = values.source === undefined && values.pull === undefined && values.destination === undefined;
  const width = Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, process.stdout.columns || DEFAULT_WIDTH));

  const examined: Examined[] = [];
  const tell = (one: Examined) => {
    examined.push(one);
    if (values.json !== true) for (const line of examinedLines(one, width)) to.out(line);
  };
  await interruptible(async (signal) => {
    if (isAll) tell(await examine(hubHead(config), () => examineHub(config), signal));
    if (isAll || values.source !== undefined) {
      for (const source of sources)
        tell(await examine(sourceHead(source), () => examineSource(config, source, signal), signal));
    }
    if (isAll || values.pull !== undefined) {
      for (const pull of pulls) tell(await examine(pullHead(pull), () => examinePull(config, pull, signal), signal));
    }
    if (isAll || values.destination !== undefined) {
      for (let at = 0; at < destinations.length; at += AT_ONCE) {
        const some = destinations.slice(at, at + AT_ONCE).map(async (destination) => {
          const probe = () => probeDestination(destination, probeContext(config, values['send-test'] === true, signal));
          return examine(destinationHead(destination), probe, signal);
        });
        for (const one of some) tell(await one);
      }
    }
  });
  if (values.json === true) to.out(json(reportOf(config, examined)));
  else to.out(verdictLine(examined));
  return isWell(examined) ? EXIT.done : EXIT.failed;
}

/** Without names all. @throws {HubError} `command.usage` */
function named<Entry extends { readonly name: string }>(
  entries: readonly Entry[],
  names: readonly string[] | undefined,
  kind: string,
): readonly Entry[] {
  return (
    names?.map((name) => {
      const entry = entries.find((each) => each.name === name);
      if (entry !== undefined) return entry;
      const known = entries.map((each) => each.name);
      const others =
        known.length === 0 ? `: the configuration has none` : suggest(name, known) || `: ${known.join(', ')}`;
      throw new HubError('command.usage', { detail: `there is no ${kind} ${name}${others}` });
    }) ?? entries
  );
}

function probeContext(config: Config, sendTest: boolean, signal: AbortSignal) {
  const env = processEnvironment();
  return {
    hubName: config.hub.name,
    secret: (reference: Parameters<typeof readSecret>[0]) => readSecret(reference, env),
    openTopics: async (brokers: Parameters<OpenTopics>[0]) => {
      const { openTopicWriter } = await import('../platform/bus/kafka/topic-writer.ts');
      return openTopicWriter(brokers, NO_LOG);
    },
    sendTest,
    signal,
  };
}

/** What the client of Kafka has to say of each step: the diagnosis says it in words. */
const NO_LOG: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => NO_LOG,
};

type Head = Omit<Examined, 'diagnoses'>;

/** All of one; a defect of one probe must not hide what the others find. */
async function examine(head: Head, probe: () => AsyncIterable<Diagnosis>, signal: AbortSignal): Promise<Examined> {
  const diagnoses: Diagnosis[] = [];
  try {
    for await (const each of probe()) diagnoses.push(each);
  } catch (error) {
    if (signal.aborted) throw error;
    diagnoses.push(
      wrong(
        'doctor',
        'The examination itself failed',
        `${sentenceOf(toHubError(error))}.`,
        'A defect of the hub: report it with what stands above.',
      ),
    );
  }
  return { ...head, diagnoses };
}

function hubHead(config: Config): Head {
  return { kind: 'hub', name: config.hub.name, about: `configuration ${config.version}, data in ${config.hub.data}` };
}

function sourceHead({ name, aeTitle, hosts }: Config['gateway']['dimse']['sources'][number]): Head {
  return { kind: 'source', name, about: `${aeTitle} from ${hosts.join(', ')}` };
}

function destinationHead(destination: Destination): Head {
  return { kind: 'destination', name: destination.name, about: placeOf(destination) };
}

function placeOf(destination: Destination): string {
  switch (destination.type) {
    case 'c-store':
      return `c-store to ${destination.aeTitle} at ${destination.host}:${destination.port}`;
    case 'stow-rs':
    case 'webhook': {
      // A query or a user in the URL may be a secret.
      const { origin, pathname } = new URL(destination.url);
      return `${destination.type} to ${origin}${pathname}`;
    }
    case 'folder':
      return `folder ${destination.path}`;
    case 's3':
      return `bucket ${destination.bucket}${destination.endpoint === undefined ? '' : ` at ${new URL(destination.endpoint).origin}`}`;
    case 'kafka-topic':
      return `topic ${destination.topic} at ${destination.brokers.join(', ')}`;
    case 'sftp':
      return `sftp to ${destination.user} at ${destination.host}:${destination.port}`;
    default:
      return destination satisfies never;
  }
}

function isWell(examined: readonly Examined[]): boolean {
  return examined.every(({ diagnoses }) => diagnoses.every(({ verdict }) => verdict !== 'wrong'));
}

function reportOf(config: Config, examined: readonly Examined[]) {
  return {
    ok: isWell(examined),
    configVersion: config.version,
    examined: examined.map(({ kind, name, about, diagnoses }) => ({ kind, name, about, checks: diagnoses })),
  };
}
