/** The other sides: deliveries and pulls. */
import type { ErrorRow } from './row.ts';

export const PARTNER_ERRORS = {
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
  'pull.nameless': {
    dimse: 0x0110,
    http: 502,
    retry: 'permanent',
    title: 'A source found studies without a valid Study Instance UID',
    remedy:
      'Look at what the query of the pull finds there: such a study has to be mended at its source before anybody can fetch it.',
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
} as const satisfies Record<string, ErrorRow>;
