/** Places that tools forget: private blocks, overlays, curves, group lengths, groups no data set has, preamble, file meta. */
import { element, type SampleElement } from '../dicom-samples.ts';
import type { PlantedPatient } from './patient.ts';
import { byTag } from './places.ts';
import type { Planter } from './values.ts';

/** Private blocks, overlays, curves, group lengths and groups that no data set has. */
export function around(planter: Planter, hasUnknown: boolean): readonly SampleElement[] {
  const text = () => planter.canary();
  const short = (tag: number): SampleElement => ({ tag, vr: 'US', value: planter.bytes(2) });
  const inner = (): readonly SampleElement[] => [
    element('PatientName', `${text()}^${text()}`),
    element('StudyDate', planter.date()),
    { tag: 0x00190010, vr: 'LO', value: 'EXAMINED MAKER' },
    { tag: 0x00191002, vr: 'LO', value: `coil ${text()}` },
  ];
  const isPrivateBlock = (group: number): readonly SampleElement[] => [
    { tag: ((group << 16) | 0x0010) >>> 0, vr: 'LO', value: `MAKER ${text()}` },
    { tag: ((group << 16) | 0x1001) >>> 0, vr: 'LO', value: text() },
    { tag: ((group << 16) | 0x1002) >>> 0, vr: 'OB', value: text() },
    { tag: ((group << 16) | 0x1003) >>> 0, vr: 'SQ', value: [inner()] },
    {
      tag: ((group << 16) | 0x1004) >>> 0,
      vr: 'SQ',
      ...(hasUnknown ? { statedVr: 'UN' } : {}),
      undefinedLength: true,
      value: [inner()],
    },
    { tag: ((group << 16) | 0x1005) >>> 0, vr: 'UN', value: text() },
    // No creator has reserved this block.
    { tag: ((group << 16) | 0x2201) >>> 0, vr: 'LO', value: text() },
  ];
  return [
    ...isPrivateBlock(0x0009),
    ...isPrivateBlock(0x0041),
    ...vendorBlocks(planter),
    { tag: 0x00080000, vr: 'UL', value: planter.bytes(4) },
    { tag: 0x00041512, vr: 'UI', value: planter.uid() },
    { tag: 0x50003000, vr: 'OW', value: text() },
    { tag: 0x50022500, vr: 'LO', value: text() },
    short(0x60000010),
    short(0x60000011),
    { tag: 0x60003000, vr: 'OW', value: text() },
    { tag: 0x60004000, vr: 'LT', value: text() },
    { tag: 0x60001500, vr: 'LO', value: text() },
    short(0x60220010),
    { tag: 0x60223000, vr: 'OW', value: text() },
    { tag: 0x60221500, vr: 'LO', value: text() },
    {
      tag: 0xfffafffa,
      vr: 'SQ',
      value: [[element('CertificateOfSigner', text()), element('DigitalSignatureUID', planter.uid())]],
    },
    { tag: 0xfffcfffc, vr: 'OB', value: text() },
  ];
}

/** Of known makers: what Table E.3.10-1 names, what a policy may name, and what stands beside. */
function vendorBlocks(planter: Planter): readonly SampleElement[] {
  const text = () => planter.canary();
  return [
    { tag: 0x00190010, vr: 'LO', value: 'SIEMENS MR HEADER' },
    { tag: 0x0019100c, vr: 'IS', value: '1000' },
    { tag: 0x0019100d, vr: 'CS', value: 'DIRECTIONAL' },
    { tag: 0x0019100e, vr: 'FD', value: planter.bytes(24) },
    { tag: 0x00191008, vr: 'CS', value: text() },
    { tag: 0x00190011, vr: 'LO', value: 'EXAMINED MAKER' },
    { tag: 0x00191101, vr: 'IS', value: '17' },
    { tag: 0x00191102, vr: 'LO', value: 'coil 4' },
    { tag: 0x00191103, vr: 'LO', value: `coil ${text()}` },
    {
      tag: 0x00191104,
      vr: 'SQ',
      value: [[element('PatientName', text()), element('EchoTime', '5.5'), element('StudyDate', planter.date())]],
    },
    { tag: 0x00290010, vr: 'LO', value: 'SIEMENS CSA HEADER' },
    { tag: 0x00291010, vr: 'OB', value: `....${text()}` },
    { tag: 0x00430010, vr: 'LO', value: 'GEMS_PARM_01' },
    { tag: 0x00431039, vr: 'IS', value: '1000\\8\\0\\0' },
    { tag: 0x20010010, vr: 'LO', value: 'Philips Imaging DD 001' },
    { tag: 0x20011003, vr: 'FL', value: planter.bytes(4) },
    // The right tag under somebody else's creator.
    { tag: 0x20050010, vr: 'LO', value: `Philips MR ${text()}` },
    { tag: 0x2005100d, vr: 'LO', value: text() },
  ];
}

export function report(
  planter: Planter,
  { family, given }: PlantedPatient,
  more: readonly SampleElement[],
): SampleElement {
  const one = (type: string, ...more: readonly SampleElement[]) =>
    [element('ValueType', type), ...more].toSorted(byTag);
  return element('ContentSequence', [
    one('PNAME', element('PersonName', `${family}^${given}`)),
    one('TEXT', element('TextValue', `Findings of ${given} ${family}, ${planter.canary()}`)),
    one('UIDREF', element('UID', planter.uid())),
    one(
      'CONTAINER',
      element('ContentSequence', [
        one('TEXT', element('TextValue', planter.canary()), element('DateTime', `${planter.date()}120000`)),
      ]),
    ),
    more,
  ]);
}

/** A preamble, file meta information of the sender's, and bytes behind the data set. */
export function dressed(planter: Planter, file: Uint8Array): Uint8Array {
  const bytes = Buffer.from(file);
  bytes.write(`preamble ${planter.canary()}`, 0, 'latin1');
  const metaEnd = 144 + bytes.readUInt32LE(140);
  const more = Buffer.concat(
    (
      [
        [0x0016, 'AE', planter.canary()],
        [0x0100, 'UI', planter.uid()],
        [0x0102, 'OB', planter.canary()],
      ] as const
    ).map(([low, vr, value]) => {
      const raw = Buffer.from(value.length % 2 === 0 ? value : `${value}\0`, 'latin1');
      const head = Buffer.alloc(vr === 'OB' ? 12 : 8);
      head.writeUInt16LE(2, 0);
      head.writeUInt16LE(low, 2);
      head.write(vr, 4, 'latin1');
      if (vr === 'OB') head.writeUInt32LE(raw.length, 8);
      else head.writeUInt16LE(raw.length, 6);
      return Buffer.concat([head, raw]);
    }),
  );
  bytes.writeUInt32LE(bytes.readUInt32LE(140) + more.length, 140);
  return Buffer.concat([bytes.subarray(0, metaEnd), more, bytes.subarray(metaEnd)]);
}
