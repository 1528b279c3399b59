/**
 * Which scans are compared with each other: keyed digests of scanner and protocol, and of the scan itself. What they are
 * made of does not leave this file.
 */
import { createHmac } from 'node:crypto';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { Device } from '../../core/plugins.ts';
import { stringOf, stringsOf } from '../volumes/functional-groups.ts';
import type { Volume } from '../volumes/volume.ts';

export interface ScanKeys {
  readonly scanKey: string;
  readonly protocolKey: string;
  readonly scannerKey: string;
}

/**
 * @param device - of the study as it was received
 * @param maskKind - measures of a brain are not compared with measures of a head
 * @param place - which volume of its series it is, from 0: an echo, a component
 */
export function keysOf(
  secret: Uint8Array,
  {
    studyInstanceUid,
    device,
    volume,
    maskKind,
    place,
  }: {
    readonly studyInstanceUid: string;
    readonly device: Device;
    readonly volume: Volume;
    readonly maskKind: string;
    readonly place: number;
  },
): ScanKeys {
  const digest = (what: string, value: unknown) =>
    createHmac('sha256', secret)
      .update(`${what} ${canonicalJson(value)}`)
      .digest('hex')
      .slice(0, 32);
  const scannerKey = digest('scanner', scannerOf(device));
  const { header, dims, affine } = volume;
  return {
    scannerKey,
    protocolKey: digest('protocol', [scannerKey, protocolOf(volume), maskKind, place]),
    // Routes see a study under other UIDs, with other names and dates; where it was in the scanner none of them changes.
    scanKey: digest('scan', [
      studyInstanceUid,
      header.string('SeriesNumber') ?? '',
      header.string('AcquisitionNumber') ?? '',
      dims.slice(0, 3),
      affine.map((value) => Number(value.toPrecision(5))),
      maskKind,
      place,
    ]),
  };
}

/** A serial number is one scanner; station and model are the next best; a source may be a PACS of many scanners. */
function scannerOf({ serialNumber, stationName, model, source }: Device): readonly string[] {
  if (serialNumber !== undefined) return ['serial', serialNumber, model ?? ''];
  return stationName === undefined ? ['source', source, model ?? ''] : ['station', stationName, model ?? '', source];
}

/**
 * Never what a protocol is set to: a wrong repetition time must be seen as wrong, not as another protocol. Its name where
 * there is one, else the kind of sequence.
 */
function protocolOf(volume: Volume): readonly string[] {
  const { header, kind, component } = volume;
  const name = stringOf(header, 'ProtocolName') ?? stringOf(header, 'SeriesDescription');
  if (name !== undefined && name !== '') return [kind, component ?? '', 'name', name.trim().toLowerCase()];
  return [
    kind,
    component ?? '',
    'sequence',
    stringsOf(header, 'ScanningSequence').join('\\'),
    stringsOf(header, 'SequenceVariant').join('\\'),
    stringOf(header, 'MRAcquisitionType') ?? '',
    stringOf(header, 'SequenceName') ?? stringOf(header, 'PulseSequenceName') ?? '',
  ];
}
