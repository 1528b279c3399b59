/** How the report looks, on a screen and on A4. */
import { createHash } from 'node:crypto';

export const STYLE = `
@page { size: A4; margin: 14mm }
* { box-sizing: border-box }
body { font: 10pt/1.42 "Helvetica Neue", Helvetica, Arial, sans-serif; color: #1b1b1b; background: #fff; max-width: 182mm; margin: 8mm auto; padding: 0 2mm }
h1 { font-size: 17pt; margin: 0 0 1mm }
h2 { font-size: 13pt; margin: 8mm 0 2mm; padding-top: 2mm; border-top: 0.5mm solid #444; break-after: avoid; overflow-wrap: anywhere }
h3 { font-size: 10.5pt; margin: 4mm 0 1mm; break-after: avoid }
p { margin: 1mm 0 }
.meta, figcaption, .small { color: #4a4a4a; font-size: 8.5pt }
.verdict { border: 0.6mm solid; border-left-width: 3mm; border-radius: 1mm; padding: 2.5mm 4mm; margin: 3mm 0 }
.verdict p.word { font-size: 13pt; font-weight: 700; margin: 0 }
.verdict ul { margin: 1.5mm 0 0; padding-left: 5mm }
.pass { color: #17693a } .warn { color: #8a5a00 } .fail { color: #a3200f } .not-enough-history { color: #38506e }
.verdict.pass, .verdict.warn, .verdict.fail, .verdict.not-enough-history { border-color: currentColor }
.verdict * { color: #1b1b1b } .verdict p.word { color: inherit }
.badge { font-weight: 700; white-space: nowrap }
table { border-collapse: collapse; width: 100%; font-size: 9pt }
header + table th:first-child { width: 34% } header + table td { overflow-wrap: anywhere }
th, td { text-align: left; vertical-align: top; padding: 0.7mm 2mm 0.7mm 0; border-bottom: 0.15mm solid #ddd }
th { font-weight: 600 } thead th { border-bottom: 0.3mm solid #888 } thead { display: table-header-group }
tr { break-inside: avoid }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
tr.off td { background: #fdf0ec } tr.off td:first-child { font-weight: 600 }
code { font: 8.5pt ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere }
figure { margin: 2mm 0; break-inside: avoid }
figure img, figure svg { display: block; max-width: 100%; height: auto }
figure img { background: #000 }
.wide img { width: 100% }
.pair { display: flex; flex-wrap: wrap; gap: 3mm } .pair figure { flex: 1 1 80mm; max-width: 120mm } .pair figure img { width: 100% }
.numbers table { font-size: 8.2pt; line-height: 1.25 } .numbers th:first-child { width: 44% }
.definitions { font-size: 8.2pt; line-height: 1.25 } .definitions th:first-child { width: 30% } .definitions th:last-child { width: 17mm }
.charts { display: grid; grid-template-columns: 1fr 1fr; gap: 1mm 3mm }
a { color: #0b4f8a }
@media print { body { margin: 0; padding: 0; max-width: none } a { color: inherit; text-decoration: none } section.scan { break-before: page } }
`;

/** Nothing but this style and pictures that stand in the page itself: no script, no font, no request. */
export const CONTENT_SECURITY_POLICY = `default-src 'none'; img-src data:; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'`;
