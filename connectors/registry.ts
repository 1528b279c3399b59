/** The destinations a configuration may name. A new connector is a folder and a line here. */
import type * as z from 'zod';
import type { Diagnosis } from '../core/diagnosis.ts';
import { loadPlugin } from '../core/load-plugin.ts';
import type {
  Connector,
  ConnectorContext,
  ConnectorModule,
  ConnectorPlugin,
  DestinationOptions,
  ProbeContext,
} from '../core/plugins.ts';
import { cStore } from './c-store/index.ts';
import { folder } from './folder/index.ts';
import { kafkaTopic } from './kafka-topic/index.ts';
import { meteredStore } from './metered-store.ts';
import { s3 } from './s3/index.ts';
import { sftp } from './sftp/index.ts';
import { stowRs } from './stow-rs/index.ts';
import { webhook } from './webhook/index.ts';

const plugins = {
  'c-store': cStore,
  'stow-rs': stowRs,
  webhook,
  folder,
  s3,
  sftp,
  'kafka-topic': kafkaTopic,
} as const;

type OptionsByType = { [T in keyof typeof plugins]: z.infer<(typeof plugins)[T]['options']> };
/** Of one type; that of each type by itself, so that options and connector stay together. */
type DestinationOf<T extends keyof OptionsByType> = { [K in T]: OptionsByType[K] }[T];
const byType: { readonly [T in keyof OptionsByType]: ConnectorPlugin<OptionsByType[T]> } = plugins;

/** One entry of `destinations`, as its connector's schema reads it. */
export type Destination = DestinationOf<keyof OptionsByType>;

export const connectors: readonly (Pick<ConnectorPlugin, 'type' | 'secretForms'> & {
  readonly options: z.ZodType<Destination>;
})[] = Object.values(plugins);

/**
 * Opens a destination for the dispatcher. Its connector's libraries are loaded with the first of its type.
 *
 * @throws {HubError} `config.invalid` when a secret cannot be had, `plugin.unusable`
 */
export async function openDestination<T extends keyof OptionsByType>(
  destination: DestinationOf<T> & { readonly type: T },
  hub: ConnectorContext,
): Promise<{ readonly options: DestinationOptions; readonly connector: Connector }> {
  const connector = await moduleOf(destination.type);
  const context = { ...hub, store: meteredStore(hub.store, destination.bandwidth) };
  return { options: destination, connector: connector.open(destination, context) };
}

/** Tries the way to a destination, for whoever asks why nothing arrives there. */
export async function* probeDestination<T extends keyof OptionsByType>(
  destination: DestinationOf<T> & { readonly type: T },
  context: ProbeContext,
): AsyncGenerator<Diagnosis> {
  const connector = await moduleOf(destination.type);
  yield* connector.probe(destination, context);
}

async function moduleOf<T extends keyof OptionsByType>(type: T): Promise<ConnectorModule<OptionsByType[T]>> {
  return loadPlugin(type, () => byType[type].load());
}
