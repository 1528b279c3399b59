/**
 * Every failure the hub can name, and what it means to each listener: one row a failure. The edges translate
 * (SCP to a DIMSE status, STOW-RS and our HTTP API to a status code, delivery to a retry class); nothing else does.
 * `docs/errors.md` is checked against this table by a test.
 */

/** `transient`: try again. `ambiguous`: the other side may have it, repeat only what is idempotent. `permanent`: never. */
export type RetryClass = 'transient' | 'ambiguous' | 'permanent';

interface ErrorRow {
  /** Status of a C-STORE-RSP, PS3.4 Table B.2-1 and PS3.7 Annex C. */
  readonly dimse: number;
  readonly http: number;
  readonly retry: RetryClass;
  readonly title: string;
  /** What the reader of the message can do about it. */
  readonly remedy: string;
}

export const ERRORS = {
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
  'gateway.stopping': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'The hub is stopping',
    remedy: 'Send again in a minute.',
  },
  // PS3.4 Table B.2-1: A9xx Data Set does not match SOP Class
  'dataset.sop-class-mismatch': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'Data set does not match SOP class',
    remedy: 'Check the sender: command and data set name different SOP classes or instances.',
  },
  'dataset.study-mismatch': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'Instance belongs to another study',
    remedy: 'Send the instance to /studies, or to the study its data set names.',
  },
  'dataset.patient-mismatch': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'Patient differs from the rest of the study',
    remedy: 'Check the study on the scanner: one study holds two patients. The hub holds it until it is released.',
  },
  // PS3.4 Table B.2-1: Cxxx Cannot understand
  'dataset.unreadable': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'Data set cannot be read',
    remedy: 'The object is damaged or truncated: export it again. What came over the network is in quarantine.',
  },
  'dataset.empty': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'Data set is empty',
    remedy: 'The object has no bytes: export it again.',
  },
  'dataset.uid-missing': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'A required UID is missing',
    remedy: 'The object lacks a Study, Series or SOP Instance UID, or its SOP Class UID.',
  },
  'dataset.uid-invalid': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'A UID is not valid',
    remedy: 'PS3.5 Section 9.1: digits and dots, at most 64 characters.',
  },
  'dataset.transfer-syntax-unknown': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'Transfer syntax is not known',
    remedy: 'Send the object in a transfer syntax of PS3.5 Annex A.',
  },
  'dataset.conflict': {
    dimse: 0x0111,
    http: 409,
    retry: 'permanent',
    title: 'Same SOP Instance UID, different bytes',
    remedy: 'The sender reuses a SOP Instance UID for other content. The copy is in quarantine.',
  },
  'dataset.conflict-rejected': {
    dimse: 0x0111,
    http: 409,
    retry: 'permanent',
    title: 'Same SOP Instance UID, different bytes: rejected',
    remedy:
      'The sender reuses a SOP Instance UID for other content. Nothing of it is kept: gateway.sameUid says reject.',
  },
  'study.expired': {
    dimse: 0x0112,
    http: 410,
    retry: 'permanent',
    title: 'Removed after delivery',
    remedy: 'gateway.retention removed the bytes: send the study again from its source.',
  },
  'study.loop': {
    dimse: 0x0110,
    http: 409,
    retry: 'permanent',
    title: 'What the hub gave away comes back to it again and again',
    remedy:
      'A destination leads back to a source of the hub. Take it out of the route, then release the entry; the study stands among the unrouted ones.',
  },
  'dataset.too-large': {
    dimse: 0xa700,
    http: 413,
    retry: 'permanent',
    title: 'Object is larger than allowed',
    remedy: 'Raise the limit in the configuration.',
  },
  // PS3.7 Annex C
  'sop-class.unsupported': {
    dimse: 0x0122,
    http: 409,
    retry: 'permanent',
    title: 'SOP class is not supported here',
    remedy: 'Negotiate the SOP class that is sent, or allow it for this source.',
  },
  'ae-title.invalid': {
    dimse: 0x0124,
    http: 400,
    retry: 'permanent',
    title: 'AE title is not valid',
    remedy: 'One to 16 printable characters, no backslash.',
  },
  'source.not-allowed': {
    dimse: 0x0124,
    http: 403,
    retry: 'permanent',
    title: 'Source is not allowed',
    remedy: 'Add the AE title and host under gateway.dimse.sources.',
  },
  // Our HTTP doors
  'request.invalid': {
    dimse: 0x0110,
    http: 400,
    retry: 'permanent',
    title: 'Request is not valid',
    remedy: 'See the detail.',
  },
  'request.media-type': {
    dimse: 0x0110,
    http: 415,
    retry: 'permanent',
    title: 'Media type is not supported',
    remedy:
      'STOW-RS takes application/dicom, application/dicom+json, and multipart/related of them (PS3.18 Section 10.5).',
  },
  'request.not-acceptable': {
    dimse: 0x0110,
    http: 406,
    retry: 'permanent',
    title: 'No acceptable media type',
    remedy: 'Ask for a media type that is offered here.',
  },
  'request.unauthenticated': {
    dimse: 0x0124,
    http: 401,
    retry: 'permanent',
    title: 'No valid token',
    remedy: 'Send Authorization: Bearer with a token of `hub token create`.',
  },
  'request.forbidden': {
    dimse: 0x0124,
    http: 403,
    retry: 'permanent',
    title: 'Not allowed',
    remedy: 'The token has not the role for this.',
  },
  'request.too-large': {
    dimse: 0x0110,
    http: 413,
    retry: 'permanent',
    title: 'Request is too large',
    remedy: 'Send less in one request.',
  },
  'request.too-many': {
    dimse: 0xa700,
    http: 429,
    retry: 'transient',
    title: 'Too many at once',
    remedy: 'Close connections you no longer read, or wait and try again.',
  },
  'request.range': {
    dimse: 0x0110,
    http: 416,
    retry: 'permanent',
    title: 'Range is not satisfiable',
    remedy: 'Ask for a range inside the resource; a HEAD request tells its length.',
  },
  'resource.not-found': {
    dimse: 0x0112,
    http: 404,
    retry: 'permanent',
    title: 'Not found',
    remedy: 'Check the identifier, or where it was looked for.',
  },
  'resource.gone': {
    dimse: 0x0112,
    http: 410,
    retry: 'permanent',
    title: 'No longer there',
    remedy: 'The hub received it and keeps it no more. If it should, see the log: a file of the store is missing.',
  },
  'resource.conflict': {
    dimse: 0x0111,
    http: 409,
    retry: 'permanent',
    title: 'Not possible in this state',
    remedy: 'See the detail.',
  },
  // Pixel data that is asked for decoded or rendered
  'pixels.damaged': {
    dimse: 0xc000,
    http: 500,
    retry: 'permanent',
    title: 'Pixel data cannot be decoded',
    remedy:
      'The pixel data contradicts its header or is damaged: send the instance again from its source. Its bytes as stored can be had with transfer-syntax=*.',
  },
  'pixels.unsupported': {
    dimse: 0x0122,
    http: 406,
    retry: 'permanent',
    title: 'Pixel data is in a form the hub cannot decode',
    remedy: 'Ask for the instance as stored, with transfer-syntax=*.',
  },
  'pixels.too-large': {
    dimse: 0x0110,
    http: 406,
    retry: 'permanent',
    title: 'A frame is too large to be decoded',
    remedy: 'Ask for the instance as stored, with transfer-syntax=*.',
  },
  'pixels.timeout': {
    dimse: 0x0110,
    http: 504,
    retry: 'transient',
    title: 'Decoding a frame took too long',
    remedy: 'Try again when the hub has less to do, or ask for the instance as stored, with transfer-syntax=*.',
  },
  // Configuration and the command line
  'config.invalid': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'Configuration is not valid',
    remedy: 'Run `hub check` and mend what it lists.',
  },
  'config.not-taken': {
    dimse: 0x0110,
    http: 422,
    retry: 'permanent',
    title: 'The configuration was not taken',
    remedy: 'The hub goes on with what is in force. Mend what the detail lists, then `hub reload`.',
  },
  'config.file-differs': {
    dimse: 0x0110,
    http: 409,
    retry: 'permanent',
    title: 'Another configuration is in force than the file says',
    remedy:
      '`hub reload` takes what the file says; `hub routes show VERSION` prints what is in force, to be written there.',
  },
  'command.usage': {
    dimse: 0x0110,
    http: 400,
    retry: 'permanent',
    title: 'Wrong usage',
    remedy: 'See `hub --help`.',
  },
  'command.interrupted': {
    dimse: 0x0110,
    http: 500,
    retry: 'transient',
    title: 'Interrupted',
    remedy: 'Run the command again: what it did so far stands.',
  },
  'file.failed': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'File cannot be used',
    remedy: 'Check the path, its permissions and the disk.',
  },
  'backup.unusable': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'Backup cannot be used',
    remedy: 'Nothing was changed. Take the backup before it, or another place to put it: see docs/operations.md.',
  },
  // Watched folders
  'folder.unavailable': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'A watched folder cannot be used',
    remedy:
      'Check that the share is mounted and that the hub may read and write in it; the log says which folder and why.',
  },
  'archive.unreadable': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'Archive cannot be read',
    remedy: 'The zip file is damaged, cut off, or of a kind the hub does not open: pack it again, stored or deflated.',
  },
  'archive.encrypted': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'Archive is encrypted',
    remedy: 'Pack it again without a password: the hub has no keys.',
  },
  'archive.too-large': {
    dimse: 0xa700,
    http: 413,
    retry: 'permanent',
    title: 'Archive is larger inside than allowed',
    remedy: 'Pack it in several files, or raise the limits under zip of the watched folder.',
  },
  // ParaVision studies
  'paravision.parameters-unreadable': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'A ParaVision parameter file cannot be read',
    remedy: 'The file is damaged, cut off or still being written: copy the scan again, or reconstruct it once more.',
  },
  'paravision.incomplete': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'A ParaVision scan has no whole reconstruction',
    remedy: 'It was aborted, or its copy is not complete: copy or reconstruct it again, or remove the scan folder.',
  },
  'paravision.mismatch': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'ParaVision images are not what their parameters say',
    remedy: 'Size or order of 2dseq contradict visu_pars: reconstruct the scan again.',
  },
  'paravision.unsupported': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'A ParaVision reconstruction cannot become DICOM images',
    remedy: 'The reason says what it is; the scan stays where it is.',
  },
  // Processing
  'crosswalk.unreadable': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'The crosswalk cannot be opened',
    remedy: 'The key crosswalk is not the one it was sealed with: bring back keys/crosswalk.key or HUB_CROSSWALK_KEY.',
  },
  'return.refused': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'What a partner returned cannot be led back',
    remedy: 'Look at the detail of its quarantine entry; the partner has to return it anew once it is mended.',
  },
  'policy.unsafe': {
    dimse: 0x0110,
    http: 409,
    retry: 'permanent',
    title: 'Cannot be released safely',
    remedy: 'Look at the quarantine entry: it says what could not be proven clean.',
  },
  'processor.failed': {
    dimse: 0x0110,
    http: 500,
    retry: 'transient',
    title: 'A processor failed',
    remedy: "Look at the run's history; replay the study when the cause is mended.",
  },
  'quality.failed': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'A scan failed quality control',
    remedy: 'The entry says which measure and why. Repeat the scan, or release the run once somebody has looked.',
  },
  'processor.timeout': {
    dimse: 0x0110,
    http: 504,
    retry: 'transient',
    title: 'A processor took too long',
    remedy: 'Raise its time limit or look at the size of the study.',
  },
  'model.invalid': {
    dimse: 0x0110,
    http: 409,
    retry: 'permanent',
    title: 'Model cannot be used',
    remedy: 'Check the model file, its digest and its manifest.',
  },
  // Delivery
  'destination.unknown': {
    dimse: 0x0110,
    http: 409,
    retry: 'permanent',
    title: 'Destination is not configured',
    remedy: 'Put the destination back into the configuration, then replay the delivery.',
  },
  // Pulls
  'pull.incomplete': {
    dimse: 0x0110,
    http: 502,
    retry: 'transient',
    title: 'A source has more of a study than came',
    remedy: 'Look at the study at its source, and at the quarantine: what was refused here did not come either.',
  },
  'pull.unasked': {
    // PS3.7 Annex C: Refused: not authorized
    dimse: 0x0124,
    http: 403,
    retry: 'permanent',
    title: 'A source sent what no pull asked for',
    remedy: 'Configure it under gateway.dimse.sources if it may send by itself; the bytes are in the quarantine.',
  },
  'pull.too-many': {
    dimse: 0x0110,
    http: 502,
    retry: 'permanent',
    title: 'A source has more matches than may be asked for',
    remedy: 'Narrow the query of the pull, or raise its maxMatches.',
  },
  'pull.keys-ignored': {
    dimse: 0x0110,
    http: 502,
    retry: 'permanent',
    title: 'A source does not look at a key of the query',
    remedy: 'Take stationName, studyDescription or match out of the query of the pull: the source says it ignores one.',
  },
  'pull.list-unreadable': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'The list of accession numbers cannot be read',
    remedy: 'Check query.accessions of the pull: the file, and the column where it is a CSV file.',
  },
  'partner.unreachable': {
    dimse: 0x0110,
    http: 502,
    retry: 'transient',
    title: 'Destination cannot be reached',
    remedy: 'Check name, port, network and whether the service is up.',
  },
  'partner.timeout': {
    dimse: 0x0110,
    http: 504,
    retry: 'ambiguous',
    title: 'Destination did not answer in time',
    remedy: 'Check the load and log of the destination.',
  },
  'partner.busy': {
    dimse: 0x0110,
    http: 503,
    retry: 'transient',
    title: 'Destination is busy',
    remedy: 'It will be tried again by itself.',
  },
  'partner.refused': {
    dimse: 0x0110,
    http: 502,
    retry: 'permanent',
    title: 'Destination refused',
    remedy: 'See the detail: the destination said no, and would say it again.',
  },
  'partner.rejected-instances': {
    dimse: 0x0110,
    http: 502,
    retry: 'permanent',
    title: 'Destination rejected instances',
    remedy: 'See the history for the failure reason of each.',
  },
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
  // The bus, when Kafka carries it
  'bus.unreachable': {
    dimse: 0x0110,
    http: 503,
    retry: 'transient',
    title: 'Kafka cannot be reached',
    remedy: 'Check bus.brokers, the network and the brokers. Events wait in the ledger meanwhile; nothing is lost.',
  },
  'bus.not-kafka': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'What answers is no Kafka broker the hub can talk to',
    remedy: 'Check host and port in bus.brokers, and whether that port wants TLS. Kafka 2.1 or later is needed.',
  },
  'bus.certificate': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'TLS with Kafka fails',
    remedy:
      "Check bus.tls: the authority that signed the brokers' certificates, and the hub's own certificate and key.",
  },
  'bus.credentials': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'Kafka refuses the credentials',
    remedy: 'Check bus.sasl: mechanism, username and the secret it names.',
  },
  'bus.unauthorized': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'Kafka does not let the hub do this',
    remedy:
      'Give its user the rights that docs/operations.md lists: its topics, its consumer groups, idempotent writes.',
  },
  'bus.topic-missing': {
    dimse: 0x0110,
    http: 503,
    retry: 'transient',
    title: 'A topic is missing in Kafka',
    remedy: 'Create it with the number of partitions that bus.partitions says, or allow the hub to: bus.createTopics.',
  },
  'bus.topic-partitions': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'A topic has another number of partitions than configured',
    remedy:
      'Set bus.partitions to what the topics have. The number is for life: another one moves studies to other partitions, and their order breaks.',
  },
  'bus.message-too-large': {
    dimse: 0x0110,
    http: 503,
    retry: 'permanent',
    title: 'Kafka does not take an event of this size',
    remedy: 'Raise max.message.bytes of the topic to 128 KiB or more; the event waits in the ledger until then.',
  },
  'bus.stalled': {
    dimse: 0x0110,
    http: 503,
    retry: 'transient',
    title: 'A consumer of the bus stands still',
    remedy: 'The hub makes it anew; when that does not help, restart this hub.',
  },
  'bus.failed': {
    dimse: 0x0110,
    http: 503,
    retry: 'transient',
    title: 'Kafka answers with an error',
    remedy: 'See the log line; the hub keeps trying.',
  },
  'internal.unexpected': {
    dimse: 0x0110,
    http: 500,
    retry: 'transient',
    title: 'Unexpected failure',
    remedy: 'A defect of the hub: report it with the log line.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** What an error says about itself: never a patient value, never a path outside the hub's own data folder. */
export type ErrorFields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** A failure of the world (not of our code): a code of the table, fields without patient data, and the cause. */
export class HubError extends Error {
  readonly code: ErrorCode;
  readonly fields: ErrorFields;

  constructor(code: ErrorCode, fields: ErrorFields = {}, cause?: unknown) {
    const detail = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(' ');
    super(`${ERRORS[code].title}${detail === '' ? '' : ` (${detail})`}`, cause === undefined ? undefined : { cause });
    this.name = 'HubError';
    this.code = code;
    this.fields = fields;
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }
}

/** Any thrown value as a HubError; what is not one becomes `internal.unexpected` with its cause kept. */
export function toHubError(error: unknown): HubError {
  return error instanceof HubError ? error : new HubError('internal.unexpected', {}, error);
}
