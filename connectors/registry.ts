/** The destinations a configuration may name. A new connector is a folder and a line here. */
import type * as z from 'zod';
import type { Diagnosis } from '../core/diagnosis.ts';
import type { Connector, ConnectorContext, DestinationOptions, ProbeContext } from '../core/plugins.ts';
import { cStore } from './c-store/index.ts';
import { folder } from './folder/index.ts';
import { meteredStore } from './metered-store.ts';
import { stowRs } from './stow-rs/index.ts';
import { webhook } from './webhook/index.ts';

const plugins = { 'c-store': cStore, 'stow-rs': stowRs, webhook, folder } as const;

/** One entry of `destinations`, as its connector's schema reads it. */
export type Destination = z.infer<(typeof plugins)[keyof typeof plugins]['options']>;

export const connectors: readonly { readonly type: string; readonly options: z.ZodType<Destination> }[] =
  Object.values(plugins);

/** Opens a destination for the dispatcher. @throws {HubError} `config.invalid` when a secret cannot be had */
export function openDestination(
  destination: Destination,
  hub: ConnectorContext,
): { readonly options: DestinationOptions; readonly connector: Connector } {
  const context = { ...hub, store: meteredStore(hub.store, destination.bandwidth) };
  switch (destination.type) {
    case 'c-store':
      return { options: destination, connector: cStore.open(destination, context) };
    case 'stow-rs':
      return { options: destination, connector: stowRs.open(destination, context) };
    case 'webhook':
      return { options: destination, connector: webhook.open(destination, context) };
    case 'folder':
      return { options: destination, connector: folder.open(destination, context) };
    default:
      return destination satisfies never;
  }
}

/** Tries the way to a destination, for whoever asks why nothing arrives there. */
export function probeDestination(destination: Destination, context: ProbeContext): AsyncIterable<Diagnosis> {
  switch (destination.type) {
    case 'c-store':
      return cStore.probe(destination, context);
    case 'stow-rs':
      return stowRs.probe(destination, context);
    case 'webhook':
      return webhook.probe(destination, context);
    case 'folder':
      return folder.probe(destination, context);
    default:
      return destination satisfies never;
  }
}
