/** The hub itself: the Node it runs on, whether it runs, its ports, its disk, its models, and who was turned away. */
import { X509Certificate } from 'node:crypto';
import * as z from 'zod';
import { processEnvironment, readSecret } from '../config/environment.ts';
import { type Diagnosis, fine, skipped, warning, wrong } from '../core/diagnosis.ts';
import { HubError, toHubError } from '../core/errors.ts';
import type { SecretReference } from '../core/plugins.ts';
import { HUB } from '../processors/objects/hub.ts';
import { modelOfStep } from '../processors/segment/options.ts';
import { openModel } from '../processors/segment/open-model.ts';
import type { Config } from '../wiring/shapes.ts';
import { examineDisk } from './doctor-disk.ts';
import { listenAddresses, portFailure, portIsFree } from './doctor-door.ts';
import { decideFor, hostsOf } from './doctor-policy.ts';
import { mayBe, refusalList, strangerRefused } from './doctor-refusals.ts';
import { sentenceOf } from './failure.ts';
import { askRunningHub } from './hub-api.ts';

/** What the hub is tested on; a test holds it against package.json. */
export const PINNED_NODE = '24.21.0';

const WARN_DAYS = 30;
const DAY_MS = 86_400_000;

/** By the name of what `/health/ready` asks. */
const READY_REMEDIES: Readonly<Record<string, string>> = {
  stopping: 'Wait until it has ended, and start it again if nothing else does.',
  configuration:
    'What the file says: "hub reload". What is in force: "hub routes show VERSION" prints it, to be written to the file.',
  folders: 'Mount the share; the hub must be allowed to read, write and rename in it. It goes on by itself.',
  ledger: 'Look at the database, and at the log of the hub: "ledger". Receiving goes on where it is PostgreSQL.',
  store: 'Look at the log of the hub: "object store cannot be used" has the code, and docs/errors.md what to do.',
  shipping: 'What is received is safe on the disk here. See store and ledger; it goes on by itself.',
  doors: 'See the disk below. A port that is not open stands below too.',
  backstage: 'The log has the reason at level error. When it does not end by itself: restart the hub.',
  bus: 'Look at the brokers, and at bus of the configuration. Events wait in the ledger; it goes on by itself.',
  consumers: 'Look at the brokers; when these are well, restart this hub.',
};

const routes = z.object({ configVersion: z.string() });
const readiness = z.object({ checks: z.array(z.object({ name: z.string(), problem: z.string().optional() })) });

export async function* examineHub(config: Config): AsyncGenerator<Diagnosis> {
  yield runtime(process.versions.node);
  const isRunning = yield* running(config);
  yield* doors(config, isRunning);
  yield* ownCertificate(config);
  yield* examineDisk(config);
  yield* models(config);
  if (isRunning) yield* strangers(config);
}

/** Pure. */
export function runtime(version: string): Diagnosis {
  if (version === PINNED_NODE) return fine('version', `Hub ${HUB.version} on Node ${version}`);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [what, remedy] = [
    `Hub ${HUB.version} on Node ${version}, not on ${PINNED_NODE}`,
    'Run "npm ci --ignore-scripts" without --omit=optional: it brings the right Node along.',
  ];
  return major === 24 && minor >= 21
    ? warning('version', what, 'It is tested on that one only.', remedy)
    : wrong('version', what, 'The hub needs what this one lacks.', remedy);
}

async function* running(config: Config): AsyncGenerator<Diagnosis, boolean> {
  const asked = await askRunningHub(config, '/api/v1/routes');
  if (asked === undefined) {
    yield wrong(
      'running',
      `No hub runs on ${config.hub.data}`,
      'Nobody answers on its socket: scanners cannot send, nothing is delivered. What was received is safe.',
      '"hub start" with the same --config and --data, or start the service. If it ended by itself, the end of its log says why.',
    );
    return false;
  }
  const version = routes.safeParse(asked.answer).data?.configVersion;
  yield version === config.version
    ? fine('running', `The hub runs with this configuration (${config.version})`)
    : warning(
        'running',
        `The hub runs with another configuration (${version ?? 'unknown'})`,
        `The file is ${config.version}: it was changed since the start, or another file or HUB_ variables were given.`,
        '"hub reload" has it take its file, or says why it must be restarted for that; "hub routes history" says who changed what. Or name the file it was started with by --config.',
      );
  const ready = await askRunningHub(config, '/health/ready');
  const problems = readiness.safeParse(ready?.answer).data?.checks.filter(({ problem }) => problem !== undefined) ?? [];
  if (ready?.status === 200 && problems.length === 0) yield fine('ready', 'It is ready');
  for (const { name, problem } of problems) {
    yield (ready?.status === 200 ? warning : wrong)(
      `ready.${name}`,
      `${name}: ${problem ?? ''}`,
      'The hub says so itself.',
      READY_REMEDIES[name] ?? 'See below, and the log of the hub.',
    );
  }
  return true;
}

async function* doors({ gateway: { dimse, http } }: Config, isRunning: boolean): AsyncGenerator<Diagnosis> {
  const { host: dimseHost, tls } = dimse;
  const secure = tls?.port === undefined ? {} : { 'dimse.tls': { host: dimseHost, port: tls.port } };
  for (const [id, { host, port }] of Object.entries({ dimse, ...secure, http })) {
    if (port === 0) yield skipped(`port.${id}`, `${id.toUpperCase()} has any free port`, 'Port 0 is configured.');
    else if (!isRunning) yield await portIsFree(`port.${id}`, host, port);
    else yield await portAnswers(`port.${id}`, host, port);
  }
}

/** The certificate the hub shows to scanners. */
function* ownCertificate({ gateway: { dimse } }: Config): Generator<Diagnosis> {
  if (dimse.tls === undefined) return;
  const read = readCertificate(dimse.tls.certificate);
  if (read instanceof Date) {
    const days = Math.floor((read.getTime() - Date.now()) / DAY_MS);
    const day = read.toISOString().slice(0, 10);
    const renew =
      'Put the new certificate and key where gateway.dimse.tls names them: a running hub takes them by itself.';
    if (days < 0) {
      yield wrong('certificate', `The hub's own certificate expired on ${day}`, 'Scanners refuse it.', renew);
    } else if (days < WARN_DAYS) {
      yield warning('certificate', `The hub's own certificate expires on ${day}`, `That is in ${days} days.`, renew);
    } else yield fine('certificate', `The hub's own certificate is valid until ${day}`);
    return;
  }
  yield wrong(
    'certificate',
    "The hub's own certificate cannot be read",
    read,
    "Correct gateway.dimse.tls.certificate, or make the file readable for the hub's user.",
  );
}

/** When it ends, or why that cannot be said. */
function readCertificate(reference: SecretReference): Date | string {
  try {
    return new Date(new X509Certificate(readSecret(reference, processEnvironment())).validTo);
  } catch (error) {
    return error instanceof HubError ? `${String(error.fields['detail'])}.` : 'It is no certificate in PEM.';
  }
}

async function portAnswers(id: string, host: string, port: number): Promise<Diagnosis> {
  const [address = host] = listenAddresses(host);
  const failure = await portFailure(address, port);
  return failure === undefined
    ? fine(id, `Port ${port} answers on ${address}`)
    : wrong(
        id,
        `Port ${port} does not answer on ${address} (${failure})`,
        'The hub runs, but this door is not open: it runs with another configuration, or with other --stages.',
        'Restart the hub with this configuration.',
      );
}

/** Every model a route names: that its file is the one its manifest promises. */
function* models(config: Config): Generator<Diagnosis> {
  const named = config.routes.flatMap(({ process: steps }) =>
    steps.flatMap(({ processor, argument }) => (processor === 'segment' ? [modelOfStep(argument)] : [])),
  );
  for (const name of new Set([...config.models.map((model) => model.name), ...named])) {
    yield model(name, config);
  }
}

function model(name: string, { models: configured }: Config): Diagnosis {
  try {
    const { manifest } = openModel(name, { models: configured });
    return fine(`models.${name}`, `Model ${name} ${manifest.version} has the digest its manifest names`);
  } catch (error) {
    return wrong(
      `models.${name}`,
      `Model ${name} cannot be used`,
      `${sentenceOf(toHubError(error))}.`,
      'Bring the model folder back from where it came from; studies that need it wait.',
    );
  }
}

/** Refused callers that no source of the configuration is like; the others stand with their source. */
async function* strangers(config: Config): AsyncGenerator<Diagnosis> {
  const asked = await askRunningHub(config, '/api/v1/refusals');
  const { sources, aeTitles } = config.gateway.dimse;
  const surroundings = { sources, aeTitles, decide: decideFor(config, await hostsOf(sources)) };
  const items = refusalList.safeParse(asked?.answer).data?.items ?? [];
  for (const each of items) {
    if (!sources.some((source) => mayBe(source, each, surroundings))) yield strangerRefused(each);
  }
}
