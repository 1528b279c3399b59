/** The ledger, and moving it. */
import type { ErrorRow } from './row.ts';

export const LEDGER_ERRORS = {
  // The ledger
  'delivery.mismatch': {
    dimse: 0x0110,
    http: 502,
    retry: 'transient',
    title: 'Destination does not have what it confirmed',
    remedy: 'Look at the log and disk of the destination; the delivery goes again with what is missing.',
  },
  'ledger.locked': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'Another process uses the ledger',
    remedy: 'Stop the other hub that uses this data folder, or choose another folder with --data.',
  },
  'ledger.unreachable': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'The ledger database cannot be reached',
    remedy:
      'Look at the PostgreSQL server and the network between. The hub keeps what it receives and goes on by itself.',
  },
  'ledger.busy': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'The ledger database does not keep up',
    remedy: "Look at the PostgreSQL server's load, locks and number of connections.",
  },
  'ledger.denied': {
    dimse: 0xa700,
    http: 503,
    retry: 'permanent',
    title: 'The ledger database does not let the hub in',
    remedy: 'Check database, user, password, rights and certificates of the `ledger` section.',
  },
  'ledger.unsuitable': {
    dimse: 0xa700,
    http: 503,
    retry: 'permanent',
    title: 'The database cannot hold a ledger',
    remedy: 'PostgreSQL 14 or newer, encoding UTF8, fsync on.',
  },
  'ledger.refused': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'The ledger does not take a record',
    remedy:
      'A defect of the hub, or bytes that changed on its disk: report it with the log line. The object is in quarantine.',
  },
  'ledger.missing': {
    dimse: 0xa700,
    http: 503,
    retry: 'permanent',
    title: 'The ledger is gone, and received instances are there',
    remedy:
      'Put ledger.db back from a backup, or run `hub store rebuild`: an empty one would deliver everything again.',
  },
  'ledger.rebuilt': {
    dimse: 0x0110,
    http: 409,
    retry: 'permanent',
    title: 'The ledger was rebuilt',
    remedy: 'What was delivered before is not known. Release this entry to route and deliver the study again.',
  },
  'ledger.newer': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'The ledger was written by a newer hub',
    remedy: 'Start the newer version again; a ledger is never taken back to an older one.',
  },
  'ledger.moving': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'A ledger is being moved into the database',
    remedy: 'Wait until `hub migrate` has ended; if it was cut off, run it again, it goes on where it was.',
  },
  // hub migrate
  'move.refused': {
    dimse: 0x0110,
    http: 409,
    retry: 'permanent',
    title: 'The hub cannot be moved like this',
    remedy: 'See the detail: nothing of the hub was changed.',
  },
  'move.differs': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'What was copied is not what is here',
    remedy: 'Nothing of the hub was changed. Look at the target, empty it and run `hub migrate` again.',
  },
  'event.too-large': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'Event is larger than the bus takes',
    remedy: 'A result has too many details for an event: report it with the log line.',
  },
} as const satisfies Record<string, ErrorRow>;
