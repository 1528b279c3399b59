/** One attempt at one message of a partner's own webhook, and how its end is recorded. */
import { HubError, toHubError } from '../../core/errors.ts';
import { toCloudEvent } from '../../core/events.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { NewEvent } from '../../core/ledger/common.ts';
import type { DisabledBecause, LeasedMessage, WebhookAttempt } from '../../core/ledger/webhooks.ts';
import { type PartnerSettings, wantedOf, withheld } from '../../core/partners.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { parseRetryAfter } from '../exchange.ts';
import type { PartnerDirectory } from '../partner-api/directory.ts';
import type { KeyBox } from './key-box.ts';
import type { WebhookMetrics } from './metrics.ts';
import type { Posted, Poster } from './post.ts';
import { pauseMs, retryDelayMs } from './schedule.ts';
import { signedHeaders } from './signature.ts';
import { formatTestEvent } from './test-event.ts';

export interface MessagePorts {
  readonly ledger: Pick<Ledger, 'webhooks'>;
  readonly directory: Pick<PartnerDirectory, 'find'>;
  /** Of this partner alone: who keeps the connections to a host busy must not keep another from it. */
  readonly posterOf: (partner: Pick<PartnerSettings, 'name' | 'webhookHosts'>) => Poster;
  readonly keys: Pick<KeyBox, 'open'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: WebhookMetrics;
}

export interface MessageOptions {
  readonly hubName: string;
  readonly timeoutMs: number;
  /** An endpoint at which nothing arrived for so long is disabled. */
  readonly disableAfterMs: number;
  readonly signal: AbortSignal;
}

const GONE = 410;

/** Resolves when the end of the attempt is in the ledger, or the lease was lost. */
export async function sendMessage(ports: MessagePorts, leased: LeasedMessage, options: MessageOptions): Promise<void> {
  const { ledger, clock, metrics } = ports;
  const { webhook, messageId, fence, attempt, event } = leased;
  const { webhookId, partner: name } = webhook;
  const log = ports.log.child({ partner: name, webhookId, messageId, attempt });
  const partner = await ports.directory.find(name);
  const wanted = event === undefined ? {} : wantedOf(event);
  const why = partner === undefined ? 'suspended' : withheld(partner, wanted, clock.now().getTime());
  if (partner === undefined || why === 'suspended' || why === 'expired') {
    // Ended since it was claimed. It waits: what is granted again goes on.
    await ledger.webhooks.giveBack(messageId, webhookId, fence, clock.now());
    return;
  }
  if (why !== undefined) {
    await ledger.webhooks.cancel(messageId, webhookId, fence);
    metrics.attempts.increment({ partner: name, outcome: 'withheld' });
    log.info('message is withheld from a partner', { why });
    return;
  }

  const startedAt = clock.now();
  const startMs = performance.now();
  const body =
    event === undefined
      ? formatTestEvent(options.hubName, messageId, leased.createdAt)
      : JSON.stringify(toCloudEvent(event, options.hubName));
  let posted: Posted | undefined;
  let failure: HubError | undefined;
  try {
    const keys = webhook.secrets.map(({ sealed }) => ports.keys.open(webhookId, sealed));
    posted = await ports.posterOf(partner).post({
      url: new URL(webhook.url),
      headers: {
        'Content-Type': 'application/cloudevents+json; charset=utf-8',
        'User-Agent': 'imaging-hub',
        ...signedHeaders(keys, messageId, Math.floor(startedAt.getTime() / 1_000), body),
      },
      body,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
    });
    if (posted.status < 200 || posted.status >= 300) failure = refusal(posted.status);
  } catch (error) {
    if (options.signal.aborted) {
      // Nobody's failure: the next to start takes it up. The partner may have it already, and sees that by its id.
      await ledger.webhooks.giveBack(messageId, webhookId, fence, clock.now());
      return;
    }
    failure = toHubError(error);
  }
  const durationMs = performance.now() - startMs;
  metrics.duration.observe({ partner: name }, durationMs / 1_000);
  const entry = {
    attempt,
    startedAt: startedAt.toISOString(),
    durationMs,
    ...(posted === undefined ? {} : { status: posted.status }),
  };
  if (failure === undefined) {
    await ledger.webhooks.succeed(messageId, webhookId, fence, { ...entry, outcome: 'succeeded' });
    metrics.attempts.increment({ partner: name, outcome: 'succeeded' });
    log.debug('message was taken', { durationMs });
    return;
  }
  await recordFailure(ports, leased, { ...entry, outcome: 'failed' }, failure, posted, options, log);
}

async function recordFailure(
  { ledger, clock, random, metrics }: MessagePorts,
  { webhook, messageId, fence, attempt }: LeasedMessage,
  entry: WebhookAttempt,
  failure: HubError,
  posted: Posted | undefined,
  options: MessageOptions,
  log: Logger,
): Promise<void> {
  const { webhookId, partner } = webhook;
  const nowMs = clock.now().getTime();
  const retryAfterMs = parseRetryAfter(posted?.headers['retry-after']);
  const pause = pauseMs(webhook.failures + 1, retryAfterMs);
  const delayMs = retryDelayMs(attempt, random());
  const since = await ledger.webhooks.fail(
    messageId,
    webhookId,
    fence,
    { ...entry, ...shown(failure) },
    {
      pauseUntil: new Date(nowMs + pause),
      ...(delayMs === undefined ? {} : { retryAt: new Date(nowMs + Math.max(delayMs, pause)) }),
    },
  );
  if (since === undefined) return;
  metrics.attempts.increment({ partner, outcome: delayMs === undefined ? 'failed' : 'retried' });
  const fields = { code: failure.code, status: posted?.status };
  if (failure.code === 'internal.unexpected' || failure.code === 'config.invalid')
    log.error('message could not be sent', { ...fields, error: failure });
  else log.info('message was not taken', fields);

  const because: DisabledBecause | undefined =
    posted?.status === GONE ? 'gone' : nowMs - since.getTime() >= options.disableAfterMs ? 'failing' : undefined;
  if (because === undefined) return;
  if (await ledger.webhooks.disable(webhookId, because, [disabledEvent(webhookId, partner, because, since)])) {
    metrics.disabled.increment({ partner, reason: because });
    log.warn('webhook is disabled', { because, failingSince: since.toISOString() });
  }
}

function disabledEvent(webhookId: string, partner: string, reason: 'gone' | 'failing', since: Date): NewEvent {
  return {
    type: 'webhook.disabled',
    stream: 'hub.delivery.v1',
    key: webhookId,
    data: { partner, webhookId, reason, failingSince: since.toISOString() },
  };
}

function refusal(status: number): HubError {
  if (status >= 300 && status < 400) {
    return new HubError('partner.refused', { detail: 'redirects are not followed: change the URL' });
  }
  return new HubError(status === 429 || status >= 500 ? 'partner.busy' : 'partner.refused');
}

/** For the partner's eyes: nothing of what names and addresses there are inside, nothing of the hub's own trouble. */
function shown({ code, fields }: HubError): Pick<WebhookAttempt, 'code' | 'detail'> {
  const detail = fields['detail'];
  if (!code.startsWith('partner.') || typeof detail !== 'string') return { code };
  // One code too: a name that is known inside and one that nobody knows would have two.
  if (detail.endsWith('allowHosts') || detail === 'no connection')
    return { code: 'partner.unreachable', detail: NO_WAY };
  return { code, detail };
}

const NO_WAY = 'the host cannot be reached, or is not in the public network';
