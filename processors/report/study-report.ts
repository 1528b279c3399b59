/** Gathers what a study's report is made of while its series pass by, one at a time. */
import type { PictureSize } from '../pictures/scan-pictures.ts';
import type { Examined } from '../qc/examine.ts';
import type { QcOptions } from '../qc/options.ts';
import { type QualityPage, qualityPage } from './page.ts';
import { type Naming, type ReportedScan, reportedScan } from './reported-scan.ts';

/** What a page of so many bytes has room for: pictures are most of it, and a pixel takes a little more than a byte. */
const ROOM = 2_600_000;
const WITHOUT_PICTURES = 60_000;
const BYTES_A_PIXEL = 1.2;

/** Of the largest picture of each scan in the page. */
function pictureSizeFor(scans: number): PictureSize {
  const share = (ROOM / Math.max(1, scans) - WITHOUT_PICTURES) / BYTES_A_PIXEL;
  return { maxPixels: Math.round(Math.max(60_000, Math.min(500_000, share))) };
}

export interface StudyReportOptions {
  readonly options: QcOptions;
  /** Series that there are. */
  readonly series: number;
}

export class StudyReport {
  readonly #scans: ReportedScan[] = [];
  readonly #options: QcOptions;
  readonly #size: PictureSize;

  constructor({ options, series }: StudyReportOptions) {
    this.#options = options;
    this.#size = pictureSizeFor(series);
  }

  /**
   * One series; its volumes may be let go of afterwards.
   *
   * @param naming - whether the name of its protocol may be seen by whoever may see the report, or another name
   */
  add(examined: readonly Examined[], naming: Naming): void {
    const shared = { options: this.#options, size: this.#size, naming };
    examined.forEach((one, place) => this.#scans.push(reportedScan(one, { ...shared, isDrawn: place === 0 })));
  }

  /** As HTML that needs nothing but itself. */
  page(study: Omit<QualityPage, 'scans'>): string {
    return qualityPage({ ...study, scans: this.#scans });
  }
}
