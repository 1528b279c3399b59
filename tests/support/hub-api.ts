/** What tests read of a running hub's HTTP answers, by the few keys they ask for. */
import { expect } from 'chai';
import type { HubProcess } from './hub-process.ts';
import { waitFor } from './wait-for.ts';

/** A CloudEvent as a partner or an administrator gets it. */
export interface SeenEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface SeenStudy {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly instances: number;
  readonly state: string;
  readonly held: boolean;
  readonly source: string;
}

export interface SeenDelivery {
  readonly deliveryId: string;
  readonly destination: string;
  readonly state: string;
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly attempts: number;
  readonly reason?: string;
}

export interface SeenQuarantine {
  readonly quarantineId: string;
  readonly reason: string;
  readonly state: string;
  readonly studyInstanceUid?: string;
  readonly instances: number;
}

/** A list as `hub … list --json` prints it. */
export async function listed<Item>(hub: HubProcess, what: string): Promise<readonly Item[]> {
  const { items } = (await hub.json(what, 'list')) as { items: readonly Item[] };
  return items;
}

/** A list straight from the administration API: cheaper than a command, for waiting. */
export async function fetched<Item>(hub: HubProcess, path: string): Promise<readonly Item[]> {
  const response = await hub.get(`/api/v1/${path}`);
  expect(response.status, `GET ${path}`).to.equal(200);
  return ((await response.json()) as { items: readonly Item[] }).items;
}

/** All events of the hub so far, of one study when it is named, in order. Types without `hub.` and version. */
export async function eventsOf(hub: HubProcess, studyInstanceUid?: string): Promise<readonly SeenEvent[]> {
  const events = await fetched<SeenEvent>(hub, 'events?limit=1000');
  return events.filter((event) => studyInstanceUid === undefined || event.subject === studyInstanceUid).map(shortened);
}

/** All of a partner's feed so far, pulled with the partner's token. */
export async function feedOf(hub: HubProcess, token: string): Promise<readonly SeenEvent[]> {
  const response = await hub.get('/partner/v1/events?limit=1000', token);
  expect(response.status, 'the feed').to.equal(200);
  const { events } = (await response.json()) as { events: readonly SeenEvent[] };
  return events.map(shortened);
}

export const typesOf = (events: readonly SeenEvent[]): readonly string[] => events.map(({ type }) => type);

/** Waits for one delivery of a study to a destination to end, and answers it. */
export async function ended(
  hub: HubProcess,
  studyInstanceUid: string,
  destination: string,
  options: { readonly revision?: number; readonly deadlineMs?: number } = {},
): Promise<SeenDelivery> {
  const revision = options.revision ?? 1;
  return await waitFor(
    `revision ${revision} at ${destination}`,
    async () => {
      const deliveries = await fetched<SeenDelivery>(hub, `deliveries?study=${studyInstanceUid}&limit=500`);
      return deliveries.find(
        (each) => each.destination === destination && each.revision === revision && each.state !== 'pending',
      );
    },
    options.deadlineMs ?? 30_000,
  );
}

/** Waits until a study is in a state at a revision. */
export async function reached(
  hub: HubProcess,
  studyInstanceUid: string,
  wanted: Partial<SeenStudy>,
  deadlineMs = 15_000,
): Promise<SeenStudy> {
  return await waitFor(
    `study ${studyInstanceUid} to be ${JSON.stringify(wanted)}`,
    async () => {
      const studies = await fetched<SeenStudy>(hub, 'studies?limit=500');
      const study = studies.find((each) => each.studyInstanceUid === studyInstanceUid);
      return study !== undefined &&
        Object.entries(wanted).every(([key, value]) => study[key as keyof SeenStudy] === value)
        ? study
        : undefined;
    },
    deadlineMs,
  );
}

function shortened(event: SeenEvent): SeenEvent {
  return { ...event, type: event.type.replace(/^hub\.(.*)\.v\d+$/, '$1') };
}
