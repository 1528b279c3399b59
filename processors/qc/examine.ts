/** A series from its volumes to its reports: measured, held against the past, judged. What the hub and the command share. */
import type { PastQuestion, PastScan, QcScan } from '../../core/ledger/qc-history.ts';
import type { Device } from '../../core/plugins.ts';
import type { Finding, Volume, VolumeKind } from '../volumes/volume.ts';
import type { BrainOf } from './brain-masks.ts';
import { keysOf, type ScanKeys } from './keys.ts';
import { measure, type Measured } from './measure.ts';
import { isMatch, type QcOptions } from './options.ts';
import { type Parameters, parametersOf, protocolNames } from './protocol.ts';
import type { Measures } from './scan.ts';
import { judge, type Judged, type Verdict } from './verdict.ts';

/** What is said about one volume: series by UID, no name and no free text of the header. */
export interface ScanReport {
  readonly seriesInstanceUid: string;
  readonly kind: VolumeKind;
  readonly verdict: Verdict;
  readonly findings: readonly string[];
  readonly judgements: Judged['judgements'];
  readonly pastScans: number;
  readonly measures: Measures;
  /** Why a measure is `null`. */
  readonly reasons: Readonly<Record<string, string>>;
  readonly parameters: Parameters;
}

/** A report with what pictures are drawn from. */
export interface Examined {
  readonly report: ScanReport;
  /** Absent for a series of which nothing could be made. */
  readonly volume?: Volume;
  readonly measured?: Measured;
  /** What the ledger keeps of it; absent without a history. */
  readonly scan?: QcScan;
  readonly past: readonly PastScan[];
}

/** What a hub knows and a command does not. */
export interface History {
  readonly secret: Uint8Array;
  readonly device: Device;
  readonly studyInstanceUid: string;
  past(question: PastQuestion): Promise<readonly PastScan[]>;
}

export interface Examination {
  readonly seriesInstanceUid: string;
  readonly volumes: readonly Volume[];
  /** What assembling it brought up. */
  readonly findings: readonly Finding[];
  readonly options: QcOptions;
  readonly history?: History;
  readonly brainOf?: BrainOf;
}

/** One report for each volume of a series (echoes, components), or one that says why there is none. */
export async function examine(examination: Examination): Promise<readonly Examined[]> {
  const { seriesInstanceUid, volumes, findings, options, history } = examination;
  if (volumes.length === 0) {
    const judged = judge({ kind: 'unknown', found: findings, parameters: {}, past: [] }, options);
    const nothing = { seriesInstanceUid, kind: 'unknown', measures: {}, reasons: {}, parameters: {} } as const;
    return [{ report: { ...nothing, ...judged }, past: [] }];
  }
  const examined: Examined[] = [];
  for (const [place, volume] of volumes.entries()) {
    const fitted = await examination.brainOf?.(volume);
    const measured = measure(volume, {
      mode: options.mode,
      brain: fitted?.brain,
      fdRadiusMm: options.fdRadiusMm,
      siblings: siblingsOf(volume, volumes),
    });
    const parameters = parametersOf(volume);
    const keys = history === undefined ? undefined : keysFor(history, volume, measured, place);
    const past =
      history === undefined || keys === undefined
        ? []
        : await history.past({
            protocolKey: keys.protocolKey,
            exceptScan: keys.scanKey,
            limit: options.history.last,
          });
    const reference = referenceOf(volume, options);
    const judged = judge(
      {
        kind: volume.kind,
        measured,
        found: fitted?.finding === undefined ? findings : [...findings, fitted.finding],
        parameters,
        past,
        ...(reference === undefined ? {} : { reference }),
      },
      options,
    );
    const { measures, reasons } = measured;
    examined.push({
      volume,
      measured,
      past,
      report: { seriesInstanceUid, kind: volume.kind, ...judged, measures, reasons, parameters },
      ...(keys === undefined
        ? {}
        : { scan: scanOf(keys, seriesInstanceUid, volume.kind, judged, measured, parameters) }),
    });
  }
  return examined;
}

function keysFor({ secret, device, studyInstanceUid }: History, volume: Volume, measured: Measured, place: number) {
  return keysOf(secret, { studyInstanceUid, device, volume, maskKind: measured.maps?.maskKind ?? 'none', place });
}

function scanOf(
  keys: ScanKeys,
  seriesInstanceUid: string,
  kind: string,
  { verdict }: Judged,
  { measures }: Measured,
  parameters: Parameters,
): QcScan {
  return {
    ...keys,
    seriesInstanceUid,
    kind,
    verdict,
    // A scan that somebody has to look at is no measure for others until somebody has.
    accepted: verdict === 'pass' || verdict === 'not-enough-history',
    measures,
    parameters,
  };
}

/** Echoes and inversion times of one grid and component. */
function siblingsOf(volume: Volume, volumes: readonly Volume[]): readonly Volume[] {
  return volumes.filter(
    (other) =>
      other.component === volume.component &&
      other.dims.slice(0, 3).every((size, axis) => size === volume.dims[axis]) &&
      other.affine.every((value, i) => Math.abs(value - (volume.affine[i] ?? 0)) < 1e-3),
  );
}

/** What the site says this protocol is set to. */
export function referenceOf(volume: Volume, { protocols }: QcOptions): Parameters | undefined {
  const names = protocolNames(volume);
  const entries = protocols.find(({ match }) => isMatch(match, names))?.parameters;
  if (entries === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(entries).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}
