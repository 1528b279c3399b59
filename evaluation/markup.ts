/** Small pieces of the page. Every text that comes from outside goes through `text`. */

export const REFERENCE_RGB = [0, 210, 255] as const;
export const PREDICTION_RGB = [255, 120, 0] as const;

export function text(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

export function code(value: string): string {
  return `<code>${text(value)}</code>`;
}

export function section(title: string, body: string): string {
  return body === '' ? '' : `<section>\n<h2>${text(title)}</h2>\n${body}\n</section>`;
}

/** @param head - columns, the first of words, the others of numbers. @param rows - cells as HTML */
export function table(head: readonly string[], rows: readonly (readonly string[])[], wordColumns = 1): string {
  const cell = (tag: 'td' | 'th') => (value: string, at: number) =>
    `<${tag}${at < wordColumns ? '' : ' class="n"'}>${value}</${tag}>`;
  return `<div class="wide"><table>
<thead><tr>${head.map(cell('th')).join('')}</tr></thead>
<tbody>
${rows.map((row) => `<tr>${row.map(cell('td')).join('')}</tr>`).join('\n')}
</tbody></table></div>`;
}

/** Names and what they say; rows without a value are left out. */
export function facts(rows: readonly (readonly [string, string | undefined])[]): string {
  return `<dl>\n${rows
    .flatMap(([name, value]) => (value === undefined ? [] : [`<dt>${text(name)}</dt><dd>${value}</dd>`]))
    .join('\n')}\n</dl>`;
}

/** For people: as many decimals as a measure deserves. */
export function number(value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined) return '–';
  // No minus before what is shown as zero.
  const shown = value.toFixed(decimals);
  return (/^-0(\.0+)?$/.test(shown) ? shown.slice(1) : shown).replace('-', '−');
}

export const STYLE = `
@page { size: A4; margin: 14mm }
* { box-sizing: border-box }
body { font: 15px/1.45 system-ui, sans-serif; color: #16202a; background: #fff; max-width: 1080px; margin: 28px auto; padding: 0 20px }
h1 { font-size: 26px; margin: 0 0 2px } h2 { font-size: 18px; margin: 34px 0 8px; padding-bottom: 4px; border-bottom: 1px solid #c9d1d9 }
h3 { font-size: 15px; margin: 18px 0 4px }
p { margin: 6px 0; max-width: 78ch } .soft, footer { color: #57636e; font-size: 13px }
.verdict { border-left: 6px solid #57636e; background: #f3f5f7; padding: 10px 16px; margin: 16px 0 }
.verdict.yes { border-color: #1a7f4b; background: #eef8f2 } .verdict.no { border-color: #b3261e; background: #fcf0ef }
.verdict ul { margin: 6px 0 0; padding-left: 20px }
.caveats { border-left: 6px solid #b7791f; background: #fdf7ea; padding: 8px 16px; margin: 12px 0 } .caveats p { margin: 3px 0 }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 14px 0 }
.figures div { border: 1px solid #d9dfe5; border-radius: 6px; padding: 8px 12px } .figures b { display: block; font-size: 22px; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: 14px }
th { text-align: left; font-weight: 600; border-bottom: 1.5px solid #8b97a3; padding: 4px 12px 4px 0; vertical-align: bottom }
td { border-bottom: 1px solid #e6eaee; padding: 4px 12px 4px 0; vertical-align: top } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap } th.n { white-space: normal }
.range { color: #57636e; font-size: 12.5px; display: block } tr.bad td { background: #fcf0ef }
dl { display: grid; grid-template-columns: minmax(120px, 190px) 1fr; gap: 3px 16px; margin: 8px 0 } dt { color: #57636e } dd { margin: 0; overflow-wrap: anywhere }
code { font: 12.5px ui-monospace, monospace; overflow-wrap: anywhere }
figure { margin: 16px 0; break-inside: avoid } figure img { max-width: 100%; display: block; background: #000 } figcaption { margin-bottom: 6px }
.key { display: inline-block; width: 22px; height: 4px; vertical-align: middle; margin: 0 4px 0 10px }
svg { max-width: 100%; height: auto; display: block } svg text { font: 12px system-ui, sans-serif; fill: #57636e }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 20px }
@media (max-width: 640px) { dl { grid-template-columns: 1fr } dd { margin: 0 0 6px 12px; min-width: 0 } }
@media print { body { margin: 0; max-width: none; font-size: 10.5pt } section { break-inside: auto } tr { break-inside: avoid } }
`;
