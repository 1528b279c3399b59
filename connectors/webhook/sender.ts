/**
 * Sends what is new in each partner's stream to the webhooks that the partner manages: at least once, each in its order
 * where that is asked. One ledger row a message; who has the lease on it sends. An endpoint that fails keeps one slot busy
 * at most, and is left alone in between.
 */
import { toHubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { LeasedMessage } from '../../core/ledger/webhooks.ts';
import { nowAndThen } from '../../core/now-and-then.ts';
import { withheld } from '../../core/partners.ts';
import type { Clock, Logger, Metrics } from '../../core/ports.ts';
import type { PartnerDirectory } from '../partner-api/directory.ts';
import { createAddressGuard } from './address-guard.ts';
import { createKeyBox } from './key-box.ts';
import { type MessagePorts, sendMessage } from './message.ts';
import { webhookMetrics } from './metrics.ts';
import { createPoster, type Poster } from './post.ts';

/** Standard Webhooks asks for 15 to 30 s. */
const TIMEOUT_MS = 15_000;
/** Longer than an attempt can take, so that it need not be renewed. */
const LEASE_MS = 60_000;
const DISABLE_AFTER_MS = 5 * 86_400_000;
const KEEP_MESSAGES_MS = 30 * 86_400_000;
const PRUNE_MS = 3_600_000;
const PER_WEBHOOK = 8;
const MAX_UNDER_WAY = 256;
const IDLE_POLL_MS = 15_000;
const BUSY_POLL_MS = 1_000;
const COMMIT_DELAY_MS = 20;
/** Each partner has connections of its own, and others when the hosts that it may have change. */
const MAX_POSTERS = 1_000;

export interface SenderPorts {
  readonly ledger: Pick<Ledger, 'webhooks' | 'onCommit'>;
  readonly directory: PartnerDirectory;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** 0 ≤ random < 1, for the jitter of retries. */
  readonly random: () => number;
}

export interface SenderOptions {
  readonly hubName: string;
  /** 32 secret bytes that the webhooks' own keys are sealed with. */
  readonly key: Uint8Array;
  readonly timeoutMs?: number;
  readonly disableAfterMs?: number;
}

export interface WebhookSender {
  /** Takes nothing new, lets what is under way end within `graceMs`, then gives it back. Harmless twice. */
  stop(graceMs: number): Promise<void>;
}

/** Starts sending; what a crash left behind is taken up again. */
export function startWebhookSender(ports: SenderPorts, options: SenderOptions): WebhookSender {
  const { directory, clock } = ports;
  const { webhooks } = ports.ledger;
  const log = ports.log.child({ stage: 'connectors', connector: 'partner-webhook' });
  const abandon = new AbortController();
  const posters = new Map<string, Poster>();
  const messagePorts: MessagePorts = {
    ...ports,
    log,
    metrics: webhookMetrics(ports.metrics),
    keys: createKeyBox(options.key),
    posterOf: ({ name: partner, webhookHosts }) => {
      const name = JSON.stringify([partner, webhookHosts]);
      const known = posters.get(name);
      if (known !== undefined) return known;
      const [oldest] = posters;
      if (posters.size >= MAX_POSTERS && oldest !== undefined) {
        oldest[1].close();
        posters.delete(oldest[0]);
      }
      const poster = createPoster(createAddressGuard(webhookHosts, 'partner'));
      posters.set(name, poster);
      return poster;
    },
  };

  const underWay = new Set<Promise<void>>();
  let isStopping = false;
  let isWanted = false;
  let working: Promise<void> | undefined;
  const sayFailure = nowAndThen();
  let timer: NodeJS.Timeout | undefined;
  let soon: NodeJS.Timeout | undefined;
  let prunedMs = -Infinity;

  const begin = (message: LeasedMessage): void => {
    const work = sendMessage(messagePorts, message, {
      hubName: options.hubName,
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      disableAfterMs: options.disableAfterMs ?? DISABLE_AFTER_MS,
      signal: abandon.signal,
    })
      .catch((error: unknown) => {
        // The ledger itself failed: the lease runs out and another attempt is made, which the partner sees by its id.
        log.error('message could not be recorded', { error: toHubError(error).message });
      })
      .finally(() => {
        underWay.delete(work);
        wake();
      });
    underWay.add(work);
  };

  /** Partners that may have something now. The webhooks of the others wait. */
  const active = async (): Promise<readonly string[]> => {
    const nowMs = clock.now().getTime();
    return (await directory.all())
      .filter((partner) => withheld(partner, {}, nowMs) === undefined)
      .map(({ name }) => name);
  };

  const work = async (): Promise<void> => {
    let partners: readonly string[] = [];
    while (isWanted && !isStopping) {
      isWanted = false;
      partners = await active();
      if (partners.length === 0) break;
      // More than one transaction of them: what is due goes in between.
      if ((await webhooks.fanOut(partners)) > 0) isWanted = true;
      const limit = MAX_UNDER_WAY - underWay.size;
      if (limit <= 0) break;
      const now = clock.now();
      const claimed = await webhooks.claim({ leaseMs: LEASE_MS, now, partners, perWebhook: PER_WEBHOOK, limit });
      claimed.forEach(begin);
    }
    await prune();
    await sleepUntilDue(partners);
  };

  const prune = async (): Promise<void> => {
    if (performance.now() - prunedMs < PRUNE_MS) return;
    prunedMs = performance.now();
    const before = new Date(clock.now().getTime() - KEEP_MESSAGES_MS);
    while (!isStopping && (await webhooks.prune(before)) > 0);
  };

  const sleepUntilDue = async (partners: readonly string[]): Promise<void> => {
    const due = partners.length === 0 ? undefined : await webhooks.nextDue(partners);
    clearTimeout(timer);
    const untilDueMs = due === undefined ? Infinity : due.getTime() - clock.now().getTime();
    // What is due and was not claimed waits for a slot, or behind another of its study.
    const waitMs = untilDueMs <= 0 ? BUSY_POLL_MS : Math.min(untilDueMs, IDLE_POLL_MS);
    if (!isStopping) timer = setTimeout(wake, waitMs);
  };

  /** One look at a time; a wake during it makes it look once more. */
  function wake(): void {
    isWanted = true;
    if (isStopping || working !== undefined) return;
    working = work()
      .catch((error: unknown) => {
        sayFailure((times) =>
          log.error('webhook messages cannot be claimed', { error: toHubError(error).message, times }),
        );
        if (!isStopping) timer = setTimeout(wake, IDLE_POLL_MS);
        isWanted = false;
      })
      .finally(() => {
        working = undefined;
        if (isWanted) wake();
      });
  }

  const stopListening = ports.ledger.onCommit(() => {
    soon ??= setTimeout(() => {
      soon = undefined;
      wake();
    }, COMMIT_DELAY_MS);
  });
  wake();

  return {
    stop: async (graceMs) => {
      isStopping = true;
      clearTimeout(timer);
      clearTimeout(soon);
      stopListening();
      await working;
      const cut = setTimeout(() => abandon.abort(), graceMs);
      await Promise.all(underWay);
      clearTimeout(cut);
      clearTimeout(timer);
      for (const poster of posters.values()) poster.close();
      posters.clear();
    },
  };
}
