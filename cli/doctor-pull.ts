/** Whether a pull can fetch: its source end to end, and what has to be known there of us. */
import { processEnvironment } from '../config/environment.ts';
import { probePull } from '../connectors/pull/probe.ts';
import { type Diagnosis, skipped, wrong } from '../core/diagnosis.ts';
import { optionsOf, pullsShown } from '../wiring/pull-options.ts';
import type { Config } from '../wiring/shapes.ts';
import { isLoopback, listenAddresses } from './doctor-door.ts';

type Pull = Config['pulls'][number];

export function pullHead(pull: Pull) {
  const [shown] = pullsShown({ pulls: [pull] });
  // A query or a user in the URL may be a secret.
  const source = 'dicomweb' in pull.from ? placeOf(pull.from.dicomweb.url) : (shown?.source ?? '');
  return { kind: 'pull', name: pull.name, about: `${shown?.retrieve ?? ''} from ${source}` } as const;
}

export async function* examinePull(config: Config, pull: Pull, signal: AbortSignal): AsyncGenerator<Diagnosis> {
  if (!pull.enabled)
    yield skipped('enabled', 'The pull is not enabled', 'It never runs; what stands below would hold if it did.');
  const { dimse } = config.gateway;
  const addresses = listenAddresses(dimse.host);
  const outside = addresses.filter((address) => !isLoopback(address));
  if ('dicom' in pull.from && pull.from.retrieve === 'c-move' && !isLoopback(pull.from.dicom.host)) {
    if (outside.length === 0) {
      yield wrong(
        'door',
        `The source cannot send to the hub: it listens on ${dimse.host} only`,
        'What a C-MOVE asks for comes on an association that the source opens to us.',
        'Set gateway.dimse.host: 0.0.0.0 (all addresses of this machine) and restart the hub, or use retrieve: c-get.',
      );
    }
    yield* probePull(optionsOf(pull, config, processEnvironment()), {
      door: { hosts: outside, port: dimse.port },
      signal,
    });
    return;
  }
  yield* probePull(optionsOf(pull, config, processEnvironment()), { door: { hosts: [], port: dimse.port }, signal });
}

function placeOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
