/** How a running hub takes another configuration: which of its parts get ready, in which order they switch, and who may ask. */
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { ConfigurationControl } from '../api/ports.ts';
import type { Environment } from '../config/environment.ts';
import { loadConfig } from '../config/loader.ts';
import { mistakeLine } from '../config/mistakes.ts';
import type { LiveConfiguration, LivePorts, Prepared } from './live-configuration.ts';
import type { Moves } from '../connectors/pull/moves.ts';
import type { Pulls } from '../connectors/pull/pulls.ts';
import { HubError } from '../core/errors.ts';
import { unpackError } from '../core/packed-error.ts';
import type { GatewayOptions } from '../gateway/options.ts';
import type { Gateway } from '../gateway/running-gateway.ts';
import type { StageThread } from '../platform/threads/stage-thread.ts';
import { pullOptions } from './pull-options.ts';
import { type Config, configShapes } from './shapes.ts';
import type { WhatIfAnswer, WhatIfOrder } from './what-if-worker.ts';

/** The parts that have something of the configuration in them; those that run here. */
export interface ReloadedParts {
  thread?: StageThread | undefined;
  gateway?: Gateway | undefined;
  pulls?: Pulls | undefined;
  readonly moves: Moves;
}

/** @param gatewayOptions - of a configuration: host names looked up, secrets read */
export function preparing(
  parts: ReloadedParts,
  env: Environment,
  current: () => Config,
  gatewayOptions: (config: Config) => Promise<GatewayOptions>,
): LivePorts['prepare'] {
  return async (next): Promise<Prepared> => {
    const { thread, gateway, moves } = parts;
    const switchGateway = gateway?.prepare(await gatewayOptions(next));
    const now = current();
    const arePullsSame =
      isDeepStrictEqual(now.pulls, next.pulls) &&
      isDeepStrictEqual(now.gateway.dimse.sources, next.gateway.dimse.sources);
    const pulls = pullOptions(next, env);
    await parts.pulls?.prepare(pulls);
    await thread?.prepare(next);
    return {
      // What stands last in a study's journey first: the thread has destinations before routes. Doors last.
      commit: () => {
        thread?.commit();
        moves.rename(pulls.map(({ name }) => name));
        switchGateway?.();
        if (!arePullsSame) parts.pulls?.exchange(pulls);
      },
      discard: () => thread?.discard(),
    };
  };
}

const WHAT_IF_WORKER = new URL('./what-if-worker.ts', import.meta.url);

/** What the API may ask of the configuration of this process. */
export function configurationControl(live: LiveConfiguration, env: Environment): ConfigurationControl {
  let isAsking = false;
  return {
    reload: (actor) => live.reload({ cause: 'request', actor }),
    rollback: (version, actor) => live.rollback(version, actor),
    whatIf: async ({ configuration, ...options }) => {
      const loaded = loadConfig({ text: configuration, env, shapes: configShapes() });
      if (loaded.mistakes !== undefined) {
        throw new HubError('request.invalid', { detail: loaded.mistakes.map(mistakeLine).join('; ') });
      }
      // One at a time: it reads all studies of days.
      if (isAsking) throw new HubError('request.too-many', { retryAfterMs: 10_000 });
      isAsking = true;
      try {
        const now = live.current;
        const diff = await inThread({ now, draft: loaded.config, env: { ...env }, ...options });
        return { from: now.version, to: loaded.config.version, ...diff };
      } finally {
        isAsking = false;
      }
    },
  };
}

/** Beside the doors: it keeps a processor busy for seconds. */
async function inThread(order: WhatIfOrder): Promise<Extract<WhatIfAnswer, { diff: unknown }>['diff']> {
  const worker = new Worker(WHAT_IF_WORKER, { name: 'what-if', workerData: order });
  try {
    const answer = await new Promise<WhatIfAnswer>((resolve, reject) => {
      // Both ends are ours and of one version.
      worker.once('message', (message: WhatIfAnswer) => resolve(message));
      worker.once('error', reject);
      worker.once('exit', (exitCode) => reject(new HubError('internal.unexpected', { thread: 'what-if', exitCode })));
    });
    if ('error' in answer) throw unpackError(answer.error);
    return answer.diff;
  } finally {
    await worker.terminate();
  }
}
