/** The methods of the port, as calls to the writer and queries of the reader; events are checked here, in the thread that made them. */
import { randomUUID } from 'node:crypto';
import type { Ledger } from '../../../core/ledger.ts';
import type { NewEvent } from '../../../core/ledger/common.ts';
import type { LeasedDelivery } from '../../../core/ledger/deliveries.ts';
import type { LeasedJob, RunRow } from '../../../core/ledger/runs.ts';
import type { Clock } from '../../../core/ports.ts';
import type { InstanceItem, RunItem } from '../../../core/store.ts';
import { Claims } from './claims.ts';
import type { ClaimedDelivery } from './delivery-claims.ts';
import { type SealedEvent, sealEvent } from './events.ts';
import { prepareInstance } from './intake.ts';
import type { Reads, Writes } from './operations.ts';
import { prepareRun } from './runs.ts';
import type { Script } from './script.ts';
import { TOKEN_USE_RESOLUTION_MS } from './tokens.ts';

interface LedgerPortOptions {
  readonly clock: Clock;
  readonly reads: Reads;
  /** Runs a script that only reads; a failure becomes a rejection. */
  readonly read: <Result>(query: () => Script<Result>) => Promise<Result>;
  /** Has the writer run an operation; resolves after its commit. */
  readonly call: (group: string, method: string, args: readonly unknown[]) => Promise<unknown>;
}

type Operation<Group extends keyof Writes, Method extends keyof Writes[Group]> = Extract<
  Writes[Group][Method],
  (now: Date, ...args: never) => Script<unknown>
>;
type Arguments<Group extends keyof Writes, Method extends keyof Writes[Group]> =
  Parameters<Operation<Group, Method>> extends readonly [Date, ...infer Rest] ? Rest : never;

type ResultOf<Each extends (...args: never) => unknown> =
  ReturnType<Each> extends Script<infer Result> ? Result : never;

export function openLedgerPort({ clock, reads, read, call }: LedgerPortOptions): Omit<Ledger, 'onCommit' | 'close'> {
  const write = async <Group extends keyof Writes, Method extends keyof Writes[Group] & string>(
    group: Group,
    method: Method,
    ...args: Arguments<Group, Method>
  ) => (await call(group, method, [clock.now(), ...args])) as ResultOf<Operation<Group, Method>>;
  const seal = (events: readonly NewEvent[]): readonly SealedEvent[] => {
    const now = clock.now();
    return events.map((event) => sealEvent(event, now));
  };

  /**
   * A late instance brings its series along; what the destination has of an earlier revision, byte for byte, stays at home.
   * What went there with other bytes has to go, whatever it says to its UID.
   */
  const sentBefore = function* (
    deliveryId: string,
    items: readonly RunItem[],
    runOf: (runId: string) => Script<RunRow | undefined>,
  ): Script<SentBefore> {
    const delivered = new Set<string>();
    const digests = new Map<string, Set<string>>();
    for (const { runId, isDelivered } of yield* reads.deliveries.otherRuns(deliveryId)) {
      for (const item of (yield* runOf(runId))?.items ?? []) {
        if (item.kind !== 'instance') continue;
        if (isDelivered) delivered.add(identityOf(item));
        digests.set(item.sopInstanceUid, (digests.get(item.sopInstanceUid) ?? new Set()).add(item.sha256));
      }
    }
    const ours = items.filter((item) => item.kind === 'instance');
    const isRevised = ({ sopInstanceUid, sha256 }: InstanceItem) =>
      [...(digests.get(sopInstanceUid) ?? [])].some((digest) => digest !== sha256);
    return {
      delivered: ours.filter((item) => delivered.has(identityOf(item))).map(({ sopInstanceUid }) => sopInstanceUid),
      revised: ours.filter(isRevised).map(({ sopInstanceUid }) => sopInstanceUid),
    };
  };

  /** The working set can be a megabyte, and a run goes to many destinations: it is read once for all of a claim. */
  const leasedDeliveries = function* (claimed: readonly ClaimedDelivery[]): Script<readonly LeasedDelivery[]> {
    const leased: LeasedDelivery[] = [];
    const runs = new Map<string, RunRow>();
    const runOf = function* (runId: string): Script<RunRow | undefined> {
      const run = runs.get(runId) ?? (yield* reads.runs.get(runId));
      if (run !== undefined) runs.set(runId, run);
      return run;
    };
    for (const { deliveryId, runId, fence, attempt, breakerOpenedAtMs } of claimed) {
      const row = yield* reads.deliveries.row(deliveryId);
      const run = yield* runOf(runId);
      if (row === undefined || run === undefined) continue;
      const before = yield* sentBefore(deliveryId, run.items, runOf);
      const { sent, missing } = yield* reads.deliveries.delivered(deliveryId);
      const delivered = new Set([...sent, ...before.delivered]);
      for (const sopInstanceUid of missing) delivered.delete(sopInstanceUid);
      leased.push({
        ...{ ...row, configVersion: run.configVersion },
        ...{ fence, attempt, items: run.items, delivered: [...delivered], revised: before.revised },
        ...(breakerOpenedAtMs === undefined ? {} : { breakerOpenedAt: new Date(breakerOpenedAtMs).toISOString() }),
      });
    }
    return leased;
  };
  const claimDeliveries = new Claims();
  const claimJobs = new Claims();

  return {
    instances: {
      async record(instances, position) {
        const now = clock.now();
        const prepared = instances.map(({ instance, completion, sameUid = 'quarantine' }) =>
          prepareInstance(instance, completion, sameUid, now),
        );
        return write('instances', 'record', prepared, position);
      },
      known: (sop, study) => read(() => reads.instances.known(sop, study)),
      versions: (sop) => read(() => reads.instances.versions(sop)),
      spoolPositions: () => read(() => reads.instances.spoolPositions()),
      ofStudy: (study, options) => read(() => reads.instances.ofStudy(study, options)),
      one: (study, instance, series) => read(() => reads.instances.one(study, instance, series)),
    },
    studies: {
      due: (now, limit, whose) => read(() => reads.studies.due(now, limit, whose)),
      nextDue: (whose) => read(() => reads.studies.nextDue(whose)),
      completionFacts: (study) => read(() => reads.studies.completionFacts(study)),
      reconsider: () => write('studies', 'reconsider'),
      postpone: (due, until, atArrival) => write('studies', 'postpone', due, until, atArrival),
      release: (releases) => write('studies', 'release', releases),
      answered: (study, answer) => write('studies', 'answered', study, answer),
      complete: (due, now) => call('studies', 'complete', [now, due]).then((done) => done === true),
      get: (study) => read(() => reads.studies.get(study)),
      series: (study, revision) => read(() => reads.studies.series(study, revision)),
      list: (page) => read(() => reads.studies.list(page)),
      timeline: (study) => read(() => reads.studies.timeline(study)),
    },
    runs: {
      open: async (inbox, study, runs, events) =>
        write('runs', 'open', inbox, study, runs.map(prepareRun), seal(events)),
      start: async (inbox, runId, eventsWithoutSteps = []) =>
        write('runs', 'start', inbox, runId, seal(eventsWithoutSteps)),
      claim: (owner, leaseMs, now, limit) =>
        claimJobs.run(
          (tag) => write('jobs', 'claim', owner, leaseMs, now, limit, tag),
          // The working set can be a megabyte: it is read here, not copied from thread to thread.
          (claimed) =>
            read(function* () {
              const jobs: LeasedJob[] = [];
              for (const { runId, ...job } of claimed) {
                const run = yield* reads.runs.get(runId);
                if (run !== undefined) jobs.push({ ...job, run });
              }
              return jobs;
            }),
        ),
      renew: (jobId, fence, leaseMs, now) => write('jobs', 'renew', jobId, fence, leaseMs, now),
      finishStep: async (jobId, fence, { items, events, crosswalk = [], quality = [] }) =>
        write('jobs', 'finishStep', jobId, fence, JSON.stringify(items), seal(events), crosswalk, quality),
      retryStep: (jobId, fence, retryAt, reason) => write('jobs', 'retryStep', jobId, fence, retryAt, reason),
      giveBack: (jobId, fence, now) => write('jobs', 'giveBack', jobId, fence, now),
      resultless: (attempts) => read(() => reads.runs.resultless(attempts)),
      quarantine: async (jobId, fence, entry, kept) => {
        if (kept === undefined) return write('jobs', 'quarantine', jobId, fence, entry);
        const { items, events, quality = [] } = kept;
        // Checked now: what cannot be told must not be found out when somebody has decided.
        seal(events);
        const prepared = { items: JSON.stringify(items), events: JSON.stringify(events), quality };
        return write('jobs', 'quarantine', jobId, fence, entry, prepared);
      },
      get: (runId) => read(() => reads.runs.get(runId)),
      ofStudy: (study) => read(() => reads.runs.ofStudy(study)),
      replay: (runId) => write('runs', 'replay', runId),
      backlog: () => read(() => reads.runs.backlog()),
    },
    deliveries: {
      open: (inbox, deliveries) => write('deliveries', 'open', inbox, deliveries),
      claim: (_owner, leaseMs, now, limits, options = {}) =>
        claimDeliveries.run(
          (tag) => write('deliveries', 'claim', tag, leaseMs, now, limits, options),
          (claimed) => read(() => leasedDeliveries(claimed)),
        ),
      renew: (deliveryId, fence, leaseMs, now) => write('deliveries', 'renew', deliveryId, fence, leaseMs, now),
      succeed: async (deliveryId, fence, attempt, events) =>
        write('deliveries', 'succeed', deliveryId, fence, attempt, seal(events)),
      fail: async (deliveryId, fence, attempt, delivered, retryAt, events, notes = {}) =>
        write('deliveries', 'fail', deliveryId, fence, attempt, delivered, retryAt, seal(events), notes),
      giveBack: (deliveryId, fence, delivered, now) =>
        write('deliveries', 'giveBack', deliveryId, fence, delivered, now),
      park: (deliveryId, fence, attempt, delivered, until) =>
        write('deliveries', 'park', deliveryId, fence, attempt, delivered, until),
      waitingFor: () => read(() => reads.deliveries.waitingFor()),
      list: (page) => read(() => reads.deliveries.list(page)),
      count: (filter, atMost) => read(() => reads.deliveries.count(filter, atMost)),
      get: (deliveryId) => read(() => reads.deliveries.get(deliveryId)),
      replay: (deliveryId) => write('deliveries', 'replay', deliveryId),
      retry: (deliveryId) => write('deliveries', 'retry', deliveryId),
      cancel: (deliveryId) => write('deliveries', 'cancel', deliveryId),
      actOnMany: (action, filter, page) => write('deliveries', 'actOnMany', action, filter, page),
      send: (delivery) => write('deliveries', 'send', delivery),
      dead: () => read(() => reads.deliveries.dead()),
      pending: () => read(() => reads.deliveries.pending()),
      breakers: (now) => read(() => reads.deliveries.breakers(now)),
      nextDue: (after) => read(() => reads.deliveries.nextDue(after)),
    },
    commitments: {
      request: (request, decideBy) => write('commitments', 'request', request, decideBy),
      due: (by, limit, whose) => read(() => reads.commitments.due(by, limit, whose)),
      evidence: (commitmentId) => read(() => reads.commitments.evidence(commitmentId)),
      rejected: (copy) => write('commitments', 'rejected', copy),
      decide: (commitmentId, failures) => write('commitments', 'decide', commitmentId, failures),
      postpone: (commitmentId, dueAt) => write('commitments', 'postpone', commitmentId, dueAt),
      items: (commitmentId) => read(() => reads.commitments.items(commitmentId)),
      attempted: (commitmentId, attempt, then) => write('commitments', 'attempted', commitmentId, attempt, then),
      list: (page) => read(() => reads.commitments.list(page)),
      get: (commitmentId) => read(() => reads.commitments.get(commitmentId)),
      backlog: () => read(() => reads.commitments.backlog()),
    },
    askedCommitments: {
      ask: (asked, waitMs) => write('askedCommitments', 'ask', asked, waitMs),
      report: (report) => write('askedCommitments', 'report', report),
      ofDelivery: (deliveryId) => read(() => reads.askedCommitments.ofDelivery(clock.now(), deliveryId)),
      result: (transactionUid) => read(() => reads.askedCommitments.result(transactionUid)),
    },
    quarantine: {
      hold: (entry) => write('quarantine', 'hold', entry),
      repeated: (copy) => write('quarantine', 'repeated', copy),
      list: (page) => read(() => reads.quarantine.list(page)),
      get: (quarantineId) => read(() => reads.quarantine.get(quarantineId)),
      release: (quarantineId) => write('quarantine', 'release', quarantineId),
    },
    overrides: {
      override: (quarantineId, decision) => write('overrides', 'override', quarantineId, decision),
      kept: (runId) => read(() => reads.overrides.kept(runId)),
    },
    events: {
      append: async (events, inbox) => write('events', 'append', seal(events), inbox),
      read: (options) => read(() => reads.events.read(options)),
      head: () => read(() => reads.events.head()),
    },
    groups: {
      open: (group, from) => write('groups', 'open', group, from),
      commit: (group, position, fence) => write('groups', 'commit', group, position, fence),
      park: (group, event, dueAt, reason, attempts, fence) =>
        write('groups', 'park', group, event.position, dueAt, reason, attempts, fence),
      unpark: (group, position, fence) => write('groups', 'unpark', group, position, fence),
      rewind: (group, position) => write('groups', 'rewind', group, position),
      holds: (group, fence) => read(() => reads.groups.holds(group, fence)),
      parked: (group) => read(() => reads.groups.parked(group)),
      lag: (groups) => read(() => reads.groups.lag(clock.now(), groups)),
    },
    crosswalk: {
      find: (uidKeys) => read(() => reads.crosswalk.find(uidKeys)),
      received: (uids) => read(() => reads.crosswalk.received(uids)),
    },
    quality: {
      past: (question) => read(() => reads.quality.past(question)),
      list: (page) => read(() => reads.quality.list(page)),
      get: (qualityId) => read(() => reads.quality.get(qualityId)),
      decide: (qualityId, accepted) => write('quality', 'decide', qualityId, accepted),
    },
    configuration: {
      activate: (next) => write('configuration', 'activate', next),
      activations: (page) => read(() => reads.configuration.activations(page)),
      lastOf: (version) => read(() => reads.configuration.lastOf(version)),
      document: (version) => read(() => reads.configuration.document(version)),
      versionsLike: (prefix) => read(() => reads.configuration.versionsLike(prefix)),
      generationOf: (study, atMost) => read(() => reads.configuration.generationOf(study, atMost)),
      history: (since, page) => read(() => reads.configuration.history(since, page)),
    },
    leases: {
      acquire: (name, owner, leaseMs, now) => write('leases', 'acquire', name, owner, leaseMs, now),
      renew: (name, fence, leaseMs, now) => write('leases', 'renew', name, fence, leaseMs, now),
      held: (prefix, at) => read(() => reads.leases.held(prefix, at)),
      release: (name, fence) => write('leases', 'release', name, fence),
    },
    pulls: {
      state: (pull) => read(() => reads.pulls.state(pull)),
      schedule: (pull, schedule, nextAt) => write('pulls', 'schedule', pull, schedule, nextAt),
      pause: (pull, isPaused) => write('pulls', 'pause', pull, isPaused),
      request: (run) => write('pulls', 'request', run),
      requested: (pull) => read(() => reads.pulls.requested(pull)),
      plan: (runId, questions) => write('pulls', 'plan', runId, questions),
      abandon: (runId, reason) => write('pulls', 'abandon', runId, reason),
      questions: (pull, now, limit) => read(() => reads.pulls.questions(pull, now, limit)),
      answer: (question, studies, missed) => write('pulls', 'answer', question, studies, missed),
      split: (question, parts) => write('pulls', 'split', question, parts),
      miss: (question, reason, retryAt) => write('pulls', 'miss', question, reason, retryAt),
      takeOver: (pull, fence) => write('pulls', 'takeOver', pull, fence),
      claim: (pull, fence, now, limit) => write('pulls', 'claim', pull, fence, now, limit),
      isWanted: (pull, study, fence) => read(() => reads.pulls.isWanted(pull, study, fence)),
      finish: async (pull, study, fence, outcome, events) =>
        write('pulls', 'finish', pull, study, fence, outcome, seal(events)),
      fail: async (pull, study, fence, failure, retryAt, events) =>
        write('pulls', 'fail', pull, study, fence, failure, retryAt, seal(events)),
      giveBack: (pull, study, fence, dueAt) => write('pulls', 'giveBack', pull, study, fence, dueAt),
      cancel: (pull) => write('pulls', 'cancel', pull),
      nextDue: (pull) => read(() => reads.pulls.nextDue(pull)),
      runs: (page) => read(() => reads.pulls.runs(page)),
      studies: (page) => read(() => reads.pulls.studies(page)),
      backlog: () => read(() => reads.pulls.backlog()),
    },
    retention: {
      expire: (rules) => write('retention', 'expire', rules),
      needed: (segment) => read(() => reads.retention.needed(segment)),
      neededBytes: (segment) => read(() => reads.retention.neededBytes(segment)),
      announce: (position) => write('retention', 'announce', position),
      move: (moves) => write('retention', 'move', moves),
      forgetSegment: (segment) => write('retention', 'forgetSegment', segment),
      expiredRuns: (runIds) => read(() => reads.retention.expiredRuns(runIds)),
      usage: () => read(() => reads.retention.usage()),
    },
    keys: {
      identity: () => write('keys', 'identity', randomUUID()),
      agree: (purpose, fingerprint) => write('keys', 'agree', purpose, fingerprint),
      replace: (purpose, fingerprint) => write('keys', 'replace', purpose, fingerprint),
    },
    partners: {
      grants: () => read(() => reads.partners.grants()),
      changeGrant: (partner, change, actor) => write('partners', 'changeGrant', partner, change, actor),
      changes: (partner, limit) => read(() => reads.partners.changes(partner, limit)),
      registered: () => read(() => reads.partners.registered()),
      register: (partner, grant, actor, limit) => write('partners', 'register', partner, grant, actor, limit),
      project: async (inbox, events, release) => write('partners', 'project', inbox, seal(events), release),
      releasesOf: (partner, study) => read(() => reads.partners.releasesOf(partner, study)),
      releases: (partner, page) => read(() => reads.partners.releases(partner, page)),
      deliveries: (partner, page) => read(() => reads.partners.deliveries(partner, page)),
      delivery: (partner, deliveryId) => read(() => reads.partners.delivery(partner, deliveryId)),
      positionBefore: (stream, at) => read(() => reads.partners.positionBefore(stream, at)),
    },
    webhooks: {
      create: (webhook, limit) => write('webhooks', 'create', webhook, limit),
      list: (partner) => read(() => reads.webhooks.list(clock.now(), partner)),
      get: (partner, id) => read(() => reads.webhooks.get(clock.now(), partner, id)),
      change: (partner, id, change) => write('webhooks', 'change', partner, id, change),
      remove: (partner, id) => write('webhooks', 'remove', partner, id),
      rotate: (partner, id, secret, until) => write('webhooks', 'rotate', partner, id, secret, until),
      test: (partner, id, messageId, type) => write('webhooks', 'test', partner, id, messageId, type),
      messages: (partner, id, page) => read(() => reads.webhooks.messages(partner, id, page)),
      message: (partner, id, messageId) => read(() => reads.webhooks.message(partner, id, messageId)),
      redeliver: (partner, id, messageId) => write('webhooks', 'redeliver', partner, id, messageId),
      redeliverSince: (partner, id, since, states) => write('webhooks', 'redeliverSince', partner, id, since, states),
      fanOut: (partners) => write('webhooks', 'fanOut', partners),
      async claim(options) {
        const claimed = await write('webhooks', 'claim', options);
        return claimed.length === 0 ? [] : read(() => reads.webhooks.leased(clock.now(), claimed));
      },
      nextDue: (partners) => read(() => reads.webhooks.nextDue(partners)),
      succeed: (messageId, id, fence, attempt) => write('webhooks', 'succeed', messageId, id, fence, attempt),
      fail: (messageId, id, fence, attempt, then) => write('webhooks', 'fail', messageId, id, fence, attempt, then),
      cancel: (messageId, id, fence) => write('webhooks', 'cancel', messageId, id, fence),
      giveBack: (messageId, id, fence, now) => write('webhooks', 'giveBack', messageId, id, fence, now),
      disable: async (id, because, events) => write('webhooks', 'disable', id, because, seal(events)),
      prune: (before) => write('webhooks', 'prune', before),
    },
    tokens: {
      create: (token) => write('tokens', 'create', token),
      async find(secretSha256) {
        const now = clock.now();
        const token = await read(() => reads.tokens.find(now, secretSha256));
        const lastUsedMs = token?.lastUsedAt === undefined ? -Infinity : Date.parse(token.lastUsedAt);
        if (token !== undefined && now.getTime() - lastUsedMs >= TOKEN_USE_RESOLUTION_MS) {
          await write('tokens', 'used', token.tokenId);
        }
        return token;
      },
      list: () => read(() => reads.tokens.list()),
      page: (page) => read(() => reads.tokens.page(page)),
      revoke: (tokenId) => write('tokens', 'revoke', tokenId),
      ofPartner: (partner) => read(() => reads.tokens.ofPartner(partner)),
      replace: (tokenId, token, oldUntil, atMost) => write('tokens', 'replace', tokenId, token, oldUntil, atMost),
    },
  };
}

/** By SOP Instance UID. */
interface SentBefore {
  readonly delivered: readonly string[];
  readonly revised: readonly string[];
}

/** The same instance with the same bytes. */
function identityOf({ sopInstanceUid, sha256 }: InstanceItem): string {
  return `${sopInstanceUid} ${sha256}`;
}
