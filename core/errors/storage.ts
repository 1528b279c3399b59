/** What cannot be kept: the disk, an object store, a hub that stops. */
import type { ErrorRow } from './row.ts';

export const STORAGE_ERRORS = {
  // PS3.4 Table B.2-1: A7xx Refused: Out of Resources
  'store.full': {
    dimse: 0xa700,
    http: 507,
    retry: 'transient',
    title: 'Out of storage',
    remedy: 'Free disk space on the hub, then send again.',
  },
  'store.failed': {
    dimse: 0xa700,
    http: 507,
    retry: 'transient',
    title: 'Storage failed',
    remedy: "Look at the hub's log and disk, then send again.",
  },
  'store.no-folder': {
    dimse: 0xa700,
    http: 507,
    retry: 'transient',
    title: 'The data folder cannot be used',
    remedy:
      'Name with --data or hub.data a folder on a disk that the user of the hub may write in; it is made where there is none.',
  },
  'store.missing': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'Stored bytes are missing',
    remedy: 'The object store lost or changed a file: restore it from a backup.',
  },
  // An object store of another machine's. None of these refuses a sender: what is received waits in the spool.
  'store.unreachable': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'The object store does not answer',
    remedy:
      'Check that store.endpoint is up and can be reached; the hub tries again by itself, nothing is lost meanwhile.',
  },
  'store.bucket-full': {
    dimse: 0xa700,
    http: 507,
    retry: 'transient',
    title: 'The bucket takes no more',
    remedy: 'Raise its quota or free space; what is received waits in the spool until then.',
  },
  'store.denied': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'The object store does not let the hub do this',
    remedy:
      'Give its key the rights that docs/operations.md lists: list, get, put, delete, and to abort multipart uploads.',
  },
  'store.credentials': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'The object store refuses the credentials',
    remedy: 'Check store.credentials and the secrets it names, or the surroundings they are taken from.',
  },
  'store.bucket-missing': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'There is no such bucket',
    remedy: 'Make the bucket, or check store.bucket and store.endpoint: the hub makes none.',
  },
  'store.wrong-region': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'The bucket is in another region',
    remedy: 'Set store.region to the region of the bucket.',
  },
  'store.clock-skew': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'The clocks of hub and object store differ too much',
    remedy: 'Set the clock of this machine, best by NTP: requests are signed with the time.',
  },
  'store.corrupted': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'Bytes changed on their way to the object store',
    remedy: 'The hub sends them again by itself. If it goes on, look at the network and the memory of this machine.',
  },
  'store.foreign': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'The bucket belongs to another ledger',
    remedy:
      'Give this hub a bucket or a store.prefix of its own. If the ledger that has it is lost for good, stop every hub that uses it, run hub store disown, and start again: the next hub takes it, and what lies there stays.',
  },
  'gateway.stopping': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'The hub is stopping',
    remedy: 'Send again in a minute.',
  },
} as const satisfies Record<string, ErrorRow>;
