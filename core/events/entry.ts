/** The shape of an entry in the table of events. */
import type * as z from 'zod';
import type { HubStream } from '../streams.ts';

/** What the hub knows of a type of event. */
export interface EventEntry {
  readonly stream: HubStream;
  readonly about: string;
  readonly data: z.ZodType;
  /** What the partner the data was released for sees: pseudonymous identifiers only. Absent: partners never see it. */
  readonly partner?: z.ZodType;
}
