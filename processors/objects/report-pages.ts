/** A report for readers as PDF: what was found in a study's scans, with pictures. The same content makes the same bytes. */
import PDFDocument from 'pdfkit';
import { fontFile } from './fonts.ts';
import { WARNING } from './overview-page.ts';

export interface ReportPages {
  readonly title: string;
  /** What was made with what: name and value. */
  readonly facts: readonly (readonly [string, string])[];
  readonly scans: readonly ReportScan[];
  /** When the study was made: a clock would make every run another document. */
  readonly date: Date;
}

export interface ReportScan {
  readonly title: string;
  /** In a coloured box beside the title. */
  readonly mark?: { readonly text: string; readonly tone: Tone };
  /** Name, value. */
  readonly rows: readonly (readonly [string, string])[];
  /** Sentences. */
  readonly remarks: readonly string[];
  readonly picture?: ReportPicture;
}

export interface ReportPicture {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export type Tone = 'good' | 'doubtful' | 'bad' | 'unknown';

const A4 = { width: 595.28, height: 841.89 } as const;
const MARGIN = 42;
const WIDTH = A4.width - 2 * MARGIN;
const HEAD = 70;
const FOOT = A4.height - 52;
const COLUMN = 150;
/** Of a scan's picture: two stand on a page, one alone may have most of it. */
const PICTURE_HEIGHT = { several: 290, single: 560 } as const;
/** A study of hundreds of scans is read in its report in JSON. */
const MAX_SCANS = 60;
const MAX_ROWS = 40;
const MAX_REMARKS = 12;
const INK = '#1c2730';
const QUIET = '#5d6b76';
const TONES: Readonly<Record<Tone, string>> = {
  good: '#2e7d4f',
  doubtful: '#b36b00',
  bad: '#b3261e',
  unknown: '#5d6b76',
};

type Document = InstanceType<typeof PDFDocument>;

export async function reportPdf(report: ReportPages): Promise<Uint8Array> {
  const document = new PDFDocument({
    size: 'A4',
    margin: 0,
    pdfVersion: '1.7',
    lang: 'en',
    displayTitle: true,
    autoFirstPage: false,
    bufferPages: true,
    info: { Title: report.title, Creator: 'Imaging hub', Producer: 'Imaging hub', CreationDate: report.date },
  });
  const chunks: Uint8Array[] = [];
  document.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  const whole = new Promise<Uint8Array>((resolve, reject) => {
    document.on('end', () => resolve(Buffer.concat(chunks)));
    document.on('error', reject);
  });
  document.registerFont('regular', fontFile('regular'));
  document.registerFont('bold', fontFile('bold'));
  begin(document, report.title);
  facts(document, report.facts);
  for (const scan of report.scans.slice(0, MAX_SCANS))
    section(document, scan, report.title, report.scans.length === 1 ? 'single' : 'several');
  const left = report.scans.length - MAX_SCANS;
  if (left > 0) paragraph(document, `${String(left)} more scans are in the report in JSON.`, report.title);
  number(document);
  document.end();
  return await whole;
}

/** A new page with its head; writing goes on below it. */
function begin(document: Document, title: string): void {
  document.addPage();
  document.font('bold').fontSize(8).fillColor(TONES.bad).text(WARNING, MARGIN, 28, { lineBreak: false });
  document
    .font('bold')
    .fontSize(15)
    .fillColor(INK)
    .text(title, MARGIN, 42, { width: WIDTH, height: 20, ellipsis: true });
  document
    .moveTo(MARGIN, HEAD - 6)
    .lineTo(A4.width - MARGIN, HEAD - 6)
    .lineWidth(0.7)
    .strokeColor('#c9d2d9')
    .stroke();
  document.y = HEAD + 4;
}

/** Where so much does not fit any more, the next page. */
function room(document: Document, height: number, title: string): void {
  if (document.y + height > FOOT) begin(document, title);
}

function facts(document: Document, all: ReportPages['facts']): void {
  for (const [name, value] of all) row(document, name, value, QUIET);
  document.y += 8;
}

function row(document: Document, name: string, value: string, colour: string): void {
  const top = document.y;
  document
    .font('regular')
    .fontSize(8.5)
    .fillColor(QUIET)
    .text(name, MARGIN, top, { width: COLUMN - 8 });
  const left = document.y;
  document.fillColor(colour).text(value, MARGIN + COLUMN, top, { width: WIDTH - COLUMN });
  document.y = Math.max(left, document.y) + 1.5;
}

function section(document: Document, scan: ReportScan, title: string, among: keyof typeof PICTURE_HEIGHT): void {
  const size = pictureSize(scan.picture, PICTURE_HEIGHT[among]);
  const rows = Math.min(scan.rows.length, MAX_ROWS);
  const remarks = Math.min(scan.remarks.length, MAX_REMARKS);
  // A scan stands on one page where it fits on one; a title alone at the foot helps nobody.
  room(document, Math.min(30 + 13 * rows + 22 * remarks + size.height, FOOT - HEAD - 20), title);
  const top = document.y;
  document
    .font('bold')
    .fontSize(11)
    .fillColor(INK)
    .text(scan.title, MARGIN, top, { width: WIDTH - 150 });
  const below = document.y;
  if (scan.mark !== undefined) {
    document.font('bold').fontSize(9);
    const width = document.widthOfString(scan.mark.text) + 14;
    document.roundedRect(A4.width - MARGIN - width, top - 1, width, 16, 3).fill(TONES[scan.mark.tone]);
    document.fillColor('#ffffff').text(scan.mark.text, A4.width - MARGIN - width + 7, top + 1.5, { lineBreak: false });
  }
  document.y = below + 3;
  for (const [name, value] of scan.rows.slice(0, MAX_ROWS)) {
    room(document, 14, title);
    row(document, name, value, INK);
  }
  for (const remark of scan.remarks.slice(0, MAX_REMARKS)) paragraph(document, remark, title);
  if (scan.picture !== undefined) {
    room(document, size.height + 4, title);
    document.image(Buffer.from(scan.picture.png), MARGIN, document.y + 4, { width: size.width, height: size.height });
    document.y += size.height + 8;
  }
  document.y += 10;
}

function paragraph(document: Document, text: string, title: string): void {
  document.font('regular').fontSize(8.5);
  room(document, document.heightOfString(text, { width: WIDTH }) + 2, title);
  document.fillColor(INK).text(text, MARGIN, document.y, { width: WIDTH });
  document.y += 2;
}

function pictureSize(
  picture: ReportPicture | undefined,
  height: number,
): { readonly width: number; readonly height: number } {
  if (picture === undefined) return { width: 0, height: 0 };
  const scale = Math.min(WIDTH / picture.width, height / picture.height);
  return { width: picture.width * scale, height: picture.height * scale };
}

/** Page numbers, once it is known how many there are. */
function number(document: Document): void {
  const { start, count } = document.bufferedPageRange();
  for (let page = start; page < start + count; page += 1) {
    document.switchToPage(page);
    document.font('regular').fontSize(7.5).fillColor(QUIET);
    document.text(`Page ${String(page + 1)} of ${String(count)}`, MARGIN, A4.height - 34, { lineBreak: false });
  }
}
