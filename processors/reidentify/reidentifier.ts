/** Answers, to who may ask, what a UID that was given to a partner stands for. */
import type { CrosswalkLedger } from '../../core/ledger/crosswalk.ts';
import { Crosswalk, type Found } from '../crosswalk/lookup.ts';

/** What was behind a released UID; absent is not known, or not of its kind. */
export interface Reidentified {
  readonly kind: Found['kind'];
  readonly partner: string;
  readonly releasedStudyInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid?: string;
  readonly sopInstanceUid?: string;
  /** A frame of reference, or what else was given a new UID. */
  readonly uid?: string;
  readonly patientId: string;
  readonly issuerOfPatientId?: string;
  readonly policy: string;
}

/** @returns what is known of the UID for any of these, each study once; @throws {HubError} `crosswalk.unreadable` */
export type Reidentifier = (uid: string, recipients: readonly string[]) => Promise<readonly Reidentified[]>;

export function reidentifier(secret: Uint8Array, ledger: Pick<CrosswalkLedger, 'find'>): Reidentifier {
  return async (uid, recipients) => {
    const answers = new Map<string, Reidentified>();
    for (const recipient of new Set(recipients)) {
      const crosswalk = new Crosswalk(secret, recipient, ledger);
      for (const found of (await crosswalk.find([uid])).get(uid) ?? []) {
        const { content } = found;
        const released = content.kind === 'study' ? content.study[0] : content.study;
        const [study] = await crosswalk.studies(released);
        // By kind: what it was itself goes before those that only referred to it.
        if (study === undefined || answers.has(`${recipient} ${released}`)) continue;
        const { issuer, id } = study.patient;
        answers.set(`${recipient} ${released}`, {
          kind: found.kind,
          partner: recipient,
          releasedStudyInstanceUid: released,
          studyInstanceUid: study.study[1],
          ...uidsOf(found),
          patientId: id,
          ...(issuer === '' ? {} : { issuerOfPatientId: issuer }),
          policy: study.policy,
        });
      }
    }
    return [...answers.values()];
  };
}

function uidsOf({ kind, original, content }: Found): Partial<Reidentified> {
  switch (kind) {
    case 'study':
      return {};
    case 'series':
      return { seriesInstanceUid: original };
    case 'instance':
      return {
        ...(content.kind === 'series' ? { seriesInstanceUid: content.series[1] } : {}),
        sopInstanceUid: original,
      };
    case 'other':
    case 'returned':
      return { uid: original };
    default:
      return kind satisfies never;
  }
}
