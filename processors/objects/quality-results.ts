/** Everything quality control is given out as, scan by scan and then for the study. Which of it, a step's `outputs` say. */
import { encode } from 'fast-png';
import { MEASURES } from '../qc/measures.ts';
import type { QualityOutput } from '../qc/outputs.ts';
import type { Verdict } from '../qc/verdict.ts';
import type { Volume } from '../volumes/volume.ts';
import { encapsulatedPdf } from './encapsulated-pdf.ts';
import { outlined } from './outlines.ts';
import { overviewPage } from './overview-page.ts';
import type { SaidOfVolumes } from './other-steps.ts';
import { type JudgedScan, qualityReport } from './quality-report.ts';
import { reportPdf, type ReportScan } from './report-pages.ts';
import type { HubIdentity, ResultObject } from './result-object.ts';
import { scanTitle, studyDate, VERDICT_MARKS } from './scan-title.ts';
import { secondaryCapture } from './secondary-capture.ts';

export interface QualityOrder {
  readonly hub: HubIdentity;
  readonly outputs: readonly QualityOutput[];
  /** What a segmentation before it found. */
  readonly volumes: SaidOfVolumes | undefined;
}

export interface QualityStudyResults {
  readonly report?: ResultObject;
  readonly document?: ResultObject;
  readonly pdf?: Uint8Array;
}

const TITLE = 'Quality control';
const IDENTITY = ['quality'];
/** Lines of measures on a page. */
const MAX_MEASURES = 24;

/** Of one study and one release. */
export class QualityResults {
  readonly #order: QualityOrder;
  /** From DICOM; objects refer to instances, which other scans do not have. */
  readonly #scans: JudgedScan[] = [];
  readonly #told: ReportScan[] = [];

  constructor(order: QualityOrder) {
    this.#order = order;
  }

  /** @returns a page of the scan, where it is asked for */
  add(volume: Volume, report: JudgedScan['report']): ResultObject | undefined {
    const { hub, outputs } = this.#order;
    const { header, slices, dims } = volume;
    const isDicom = slices.length > 0;
    // Without its voxels: a study of many must not stand in memory as a whole.
    if (isDicom) this.#scans.push({ volume: { header, slices, dims }, report });
    if (!outputs.includes('pdf') && !outputs.includes('sc')) return undefined;
    const sheet = outlined(volume, []);
    if (outputs.includes('pdf'))
      this.#told.push({ ...this.#tell(volume, report), picture: { ...sheet, png: encode({ ...sheet, channels: 3 }) } });
    if (!isDicom || !outputs.includes('sc')) return undefined;
    const verdict = VERDICT_MARKS[report.verdict].text;
    const page = overviewPage(sheet, {
      title: `${TITLE}: ${verdict}. ${scanTitle(volume)}`,
      lines: [
        ...report.findings.map((finding) => ({ text: finding })),
        ...rowsOf(report).map(([name, value]) => ({ text: `${name}: ${value}` })),
      ],
    });
    return secondaryCapture(
      {
        ...{ page, header, sources: slices.slice(0, dims[2]), identity: IDENTITY, serial: hub.name },
        seriesDescription: 'Quality control: overview',
        contribution: contributionOf(hub),
        derivation: 'Contact sheet with measures of quality. Not for diagnosis.',
      },
      hub,
    );
  }

  /** Once all scans are added. @param verdict - of the study, with `findings` only the whole of it shows */
  async finish(verdict: Verdict, findings: readonly string[]): Promise<QualityStudyResults> {
    const { hub, outputs } = this.#order;
    const [first, ...others] = this.#scans;
    const pdf = outputs.includes('pdf') && this.#told.length > 0 ? await this.#pdf(verdict, findings) : undefined;
    if (first === undefined) return pdf === undefined ? {} : { pdf };
    const report = outputs.includes('sr') ? qualityReport([first, ...others], hub) : undefined;
    if (pdf === undefined) return report === undefined ? {} : { report };
    const document = encapsulatedPdf(
      {
        ...{ pdf, header: first.volume.header, title: TITLE, identity: IDENTITY, serial: hub.name },
        sources: this.#scans.flatMap(({ volume }) => volume.slices.slice(0, volume.dims[2])),
        seriesDescription: 'Quality control: report',
        contribution: contributionOf(hub),
      },
      hub,
    );
    return { ...(report === undefined ? {} : { report }), document, pdf };
  }

  async #pdf(verdict: Verdict, findings: readonly string[]): Promise<Uint8Array> {
    const { hub, volumes } = this.#order;
    const header = this.#scans[0]?.volume.header;
    const study = header?.string('StudyInstanceUID');
    return await reportPdf({
      title: TITLE,
      date: studyDate(header),
      facts: [
        ...(study === undefined ? [] : [['Study Instance UID', study] as const]),
        ['Verdict', VERDICT_MARKS[verdict].text],
        ...findings.map((finding) => ['Found', finding] as const),
        ...(volumes === undefined ? [] : [['Volumes by', `${volumes.model} ${volumes.modelVersion}`] as const]),
        ['Made by', `${hub.name} ${hub.version}`],
      ],
      scans: this.#told,
    });
  }

  #tell(volume: Volume, report: JudgedScan['report']): ReportScan {
    const labels = this.#order.volumes?.series.find(
      (each) => each.seriesInstanceUid === report.seriesInstanceUid,
    )?.labels;
    return {
      title: scanTitle(volume),
      mark: VERDICT_MARKS[report.verdict],
      rows: [
        ...(labels ?? []).map(({ name, volumeMm3 }) => [`Volume: ${name}`, `${volumeMm3.toFixed(1)} mm³`] as const),
        ...rowsOf(report),
      ],
      remarks: report.findings,
    };
  }
}

/** Measures that are good or bad, with their units; the report in JSON has all. */
function rowsOf({ measures }: JudgedScan['report']): readonly (readonly [string, string])[] {
  return Object.entries(measures)
    .flatMap(([key, value]): readonly (readonly [string, string])[] => {
      const row = MEASURES.get(key);
      if (row === undefined || value === null || row.decides.length === 0) return [];
      return [[row.name, `${String(Number(value.toPrecision(4)))}${row.unit === '' ? '' : ` ${row.unit}`}`]];
    })
    .slice(0, MAX_MEASURES);
}

function contributionOf({ name, version }: HubIdentity): string {
  return `Quality of scans measured by ${name} ${version}`;
}
