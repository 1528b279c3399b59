/** The report for people: what it says as a page that prints on one sheet a study, without a script, a font or a picture. */
import { count } from '../../core/count.ts';
import type { DeidentificationReport } from './report.ts';
import type { ReportSignature } from './signature.ts';

/** A study that was not released; how many instances it has, and why, in fixed words. */
export interface HeldInReport {
  readonly outcome: 'quarantined';
  readonly reason: string;
  readonly detail: string;
  readonly instances: number;
}

/** The processor reports released studies only, without saying so; the command reports both. */
export type ReportedStudy = (DeidentificationReport & { readonly outcome?: 'released' }) | HeldInReport;

const MEANINGS: Readonly<Record<string, string>> = {
  removed: 'Removed',
  emptied: 'Emptied',
  replaced: 'Replaced by a dummy value',
  'new-uid': 'UID replaced by a new one',
  pseudonym: 'Replaced by a pseudonym',
  shifted: 'Date moved by the patient’s distance',
  cleaned: 'Text reduced to harmless words',
  'private-removed': 'Private element removed',
  'private-kept': 'Private element kept, as listed below',
  blanked: 'Emptied because it repeated a removed value',
};
/** What fits on the sheet; the JSON has all. */
const LISTED = 24;

const STYLE = `
@page { size: A4; margin: 16mm }
* { box-sizing: border-box }
body { font: 10pt/1.4 system-ui, sans-serif; color: #111; background: #fff; max-width: 178mm; margin: 8mm auto }
section + section { break-before: page }
h1 { font-size: 16pt; margin: 0 0 1mm }
h2 { font-size: 11pt; margin: 5mm 0 1mm; border-bottom: 0.3mm solid #999 }
p { margin: 1mm 0 }
.verdict { border: 0.5mm solid #17693a; border-radius: 1mm; padding: 2mm 3mm; margin: 3mm 0 }
.held { border-color: #a11 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: 0.6mm 2mm 0.6mm 0; border-bottom: 0.1mm solid #ddd }
th { font-weight: 600; width: 46mm }
table.counts th { width: auto }
td.number, th.number { text-align: right; width: 24mm; font-variant-numeric: tabular-nums }
code { font: 8.5pt ui-monospace, monospace; overflow-wrap: anywhere }
footer { color: #555; font-size: 8.5pt; margin-top: 5mm }
@media print { body { margin: 0; max-width: none } }
`;

/** @param signature - of the JSON that says the same; the page itself is not signed */
export function reportPage(studies: readonly ReportedStudy[], signature: ReportSignature): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>De-identification report</title><style>${STYLE}</style></head>
<body>
${studies.map((study) => (study.outcome === 'quarantined' ? heldSection(study) : releasedSection(study, signature))).join('\n')}
</body>
</html>
`;
}

function releasedSection(report: DeidentificationReport, signature: ReportSignature): string {
  const { verification } = report;
  const attributes = new Map<string, number>();
  for (const { action } of report.attributes) attributes.set(action, (attributes.get(action) ?? 0) + 1);
  return `<section>
<h1>De-identification report</h1>
<p>Study ${code(report.studyInstanceUid)}, as released: ${count(report.instances, 'instance')}</p>
<div class="verdict"><strong>Released.</strong> ${count(verification.instances, 'instance')} read again after writing: none of ${number(verification.searchedBytes)} bytes of values repeats a value that was removed or changed.</div>
<h2>Policy</h2>
<table>
${row('Policy', text(report.policy))}
${report.partner === undefined ? '' : row('For the partner', text(report.partner))}
${row('Profile', text(report.profile))}
${row('Options', report.options.length === 0 ? 'none' : report.options.map((one) => text(one)).join(', '))}
${row('Table', `DICOM PS3.15 Table E.1-1, edition ${text(report.tableEdition)}`)}
${row('Hash of the policy', code(report.policyHash))}
</table>
<h2>What was done</h2>
<table class="counts">
<tr><th>Action</th><th class="number">attributes</th><th class="number">values</th></tr>
${Object.entries(report.counts)
  .map(([action, values]) => countRow(action, attributes.get(action) ?? 0, values))
  .join('\n')}
</table>
<h2>Private elements kept</h2>
<p>${list(report.privateKept)}</p>
<h2>Verification</h2>
<table>
${row('Removed values found', 'none')}
${row('Pixel data', text(pixelWords(verification.pixelData)))}
${row('Emptied by it', list(verification.blanked))}
</table>
<footer>The report as JSON names every attribute; it is signed with the hub’s Ed25519 key ${code(signature.keyId)}.
It can be proven with <code>hub report verify</code>, or with openssl and the hub’s public key.</footer>
</section>`;
}

function heldSection({ reason, detail, instances }: HeldInReport): string {
  return `<section>
<h1>De-identification report</h1>
<p>${count(instances, 'instance')} of one study</p>
<div class="verdict held"><strong>Not released.</strong> ${text(detail)} (${code(reason)})</div>
</section>`;
}

/** Private attributes mean nothing without their creator: only their values are counted. */
function countRow(action: string, attributes: number, values: number): string {
  const isPrivate = action.startsWith('private');
  return `<tr><td>${text(MEANINGS[action] ?? action)}</td><td class="number">${isPrivate ? '' : number(attributes)}</td><td class="number">${number(values)}</td></tr>`;
}

function pixelWords(pixelData: string): string {
  return pixelData === 'unchanged' ? 'unchanged, compared by digest' : 'cleaned; unchanged outside of what was blanked';
}

function list(values: readonly string[]): string {
  if (values.length === 0) return 'none';
  const shown = values.slice(0, LISTED).map((one) => code(one));
  return values.length > LISTED
    ? `${shown.join(', ')} and ${String(values.length - LISTED)} more, in the JSON`
    : shown.join(', ');
}

function row(name: string, value: string): string {
  return `<tr><th>${text(name)}</th><td>${value}</td></tr>`;
}

function number(value: number): string {
  return value.toLocaleString('en');
}

function code(value: string): string {
  return `<code>${text(value)}</code>`;
}

function text(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
