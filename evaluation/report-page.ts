/** The report as one page that needs nothing else: no script, no font, pictures inside. */
import { count } from '../core/count.ts';
import type { Acceptance } from './acceptance.ts';
import { agreementChart, rankedChart } from './charts.ts';
import { cardSection, casesSection, definitionsSection, strataSection } from './page-sections.ts';
import { code, facts, number, PREDICTION_RGB, REFERENCE_RGB, section, STYLE, table, text } from './markup.ts';
import type { ModelIdentity, Report } from './report.ts';
import type { Interval } from './statistics.ts';
import { type Distribution, type LabelSummary, type Measure, scoresOf } from './summary.ts';

/**
 * @param pictures - PNG of the worst cases, by name
 * @param card - of the model, as its maker wrote it; undefined when there is none
 */
export function evaluationPage(report: Report, pictures: ReadonlyMap<string, Uint8Array>, card: unknown): string {
  const { model, summary, acceptance, against } = report;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Evaluation of ${text(model.name)} ${text(model.version)}</title><style>${STYLE}</style></head>
<body>
<h1>Evaluation of ${text(model.name)} ${text(model.version)}</h1>
<p class="soft">In shadow on de-identified cases: nothing the model said was forwarded. Intended use of the model: ${text(model.intendedUse)}. Made ${text(report.madeAt.slice(0, 16).replace('T', ' '))} UTC by ${text(report.hub.name)} ${text(report.hub.version)}, definitions ${code(report.schema)}.</p>
${verdict(acceptance, report)}
${report.caveats.length === 0 ? '' : `<div class="caveats">${report.caveats.map((each) => `<p>${text(each)}</p>`).join('')}</div>`}
<div class="figures">
${figure('cases', String(summary.cases))}${figure('subjects', String(summary.subjects))}${figure('failures', String(summary.failures))}${figure('left out', String(report.leftOut.length))}${figure('seconds a case, median', number(medianOf(report, 'seconds'), 1))}${figure('peak memory, MB', number(maxOf(report, 'peakRssMb'), 0))}
</div>
${section('Results', results(report))}
${section('How cases scored, and whether volumes agree', charts(report))}
${against === undefined ? '' : section(`Against ${against.name} ${against.version}`, comparison(report))}
${strataSection(report)}
${section('Worst cases', worst(report, pictures))}
${casesSection(report)}
${section('Model', modelFacts(report))}
${cardSection(card)}
${definitionsSection(report)}
<footer>The same figures, unrounded, stand in <code>report.json</code>; each case with its predicted mask in <code>cases/</code>.</footer>
</body>
</html>
`;
}

function verdict({ outcome, criteria }: Acceptance, { registeredAt, model }: Report): string {
  const words = {
    accepted: 'Accepted: every demand that was registered is met.',
    'not-accepted': 'Not accepted.',
    'not-registered': 'No acceptance was registered: the manifest has no eval_metrics.',
  }[outcome];
  const shade = { accepted: ' yes', 'not-accepted': ' no', 'not-registered': '' }[outcome];
  const items = criteria.map(({ label, key, demanded, reached, isMet }) => {
    const what = `${label === undefined ? '' : `${label}: `}${demanded.startsWith('cannot') ? `${key} ${demanded}` : demanded}`;
    return `<li>${isMet ? 'met' : '<strong>not met</strong>'} – ${text(what)}${reached === undefined ? '' : `; reached ${number(reached, 3)}`}</li>`;
  });
  return `<div class="verdict${shade}"><strong>${words}</strong>${items.length === 0 ? '' : `<ul>${items.join('')}</ul>`}
<div class="soft">Registered ${text(registeredAt.slice(0, 19).replace('T', ' '))} UTC, before the first case, with manifest ${code(model.manifestSha256.slice(0, 16))}…</div></div>`;
}

function figure(name: string, value: string): string {
  return `<div><b>${value}</b>${name}</div>`;
}

const COLUMNS: readonly (readonly [Measure, string, number])[] = [
  ['dice', 'Dice', 3],
  ['nsd', 'NSD at τ', 3],
  ['hd95Mm', 'HD95, mm', 2],
  ['assdMm', 'ASSD, mm', 3],
  ['volumeDifferenceMm3', 'Volume difference, mm³', 1],
  ['volumeDifferencePercent', 'Volume difference, %', 1],
];

function results({ summary, results: cases }: Report): string {
  if (summary.labels.length === 0) return '<p>No case was scored.</p>';
  const tolerances = cases.map(({ toleranceMm }) => toleranceMm);
  const [low, high] = [Math.min(...tolerances), Math.max(...tolerances)];
  const tau = low === high ? `${number(low, 4)} mm` : `${number(low, 4)} to ${number(high, 4)} mm`;
  return `${summary.labels.map((label) => measuresOf(label, summary.labels.length > 1)).join('\n')}
<p class="soft">τ = ${tau}, one voxel within the slice. Failures count as Dice 0.</p>`;
}

function measuresOf({ name, measures, referencesWithIt }: LabelSummary, isOneOfSeveral: boolean): string {
  const rows = COLUMNS.flatMap(([measure, title, decimals]) => {
    const found = measures[measure];
    if (found === undefined) return [];
    return [
      [
        text(title),
        number(found.median, decimals),
        `${number(found.q1, decimals)} to ${number(found.q3, decimals)}`,
        claimed(found.intervals?.median, decimals),
        number(found.mean, decimals),
        claimed(found.intervals?.mean, decimals),
        `${number(found.min, decimals)} to ${number(found.max, decimals)}`,
        String(found.n),
      ],
    ];
  });
  const head = ['Measure', 'Median', 'Quartiles', '95 % interval', 'Mean', '95 % interval', 'Range', 'Cases'];
  const title = isOneOfSeveral ? `${name} – in ${count(referencesWithIt, 'reference')}` : name;
  return `<h3>${text(title)}</h3>${table(head, rows)}`;
}

function claimed(interval: Interval | undefined, decimals: number): string {
  return interval === undefined ? '–' : `${number(interval.low, decimals)} to ${number(interval.high, decimals)}`;
}

function charts({ summary, results: cases, acceptance }: Report): string {
  return summary.labels
    .map(({ index, name, measures: { dice }, agreement }) => {
      if (dice === undefined) return '';
      const limit = acceptance.criteria.find(
        (each) => each.label === name && /^(mean_|median_)?dice$/.test(each.key),
      )?.limit;
      const ranked = rankedChart(
        `Dice of each case, ${name}`,
        cases.flatMap((result) => {
          const scores = scoresOf(result, index);
          return scores === undefined
            ? []
            : [{ name: result.name, value: scores.dice, isBad: result.outcome === 'failed' }];
        }),
        { median: dice.median, ...(limit === undefined ? {} : { limit }) },
      );
      return `<h3>${text(name)}</h3><div class="plots"><div>${ranked}</div><div>${agreement === undefined ? '' : agreementPlot(name, index, cases, agreement)}</div></div>${agreement === undefined ? '' : agreementWords(agreement)}`;
    })
    .join('\n');
}

function agreementPlot(
  name: string,
  index: number,
  cases: Report['results'],
  agreement: NonNullable<LabelSummary['agreement']>,
): string {
  const points = cases.flatMap((result) => {
    const scores = scoresOf(result, index);
    if (scores === undefined || scores.predictedMm3 === null || scores.volumeDifferenceMm3 === null) return [];
    return [{ name: result.name, x: (scores.predictedMm3 + scores.referenceMm3) / 2, y: scores.volumeDifferenceMm3 }];
  });
  return agreementChart(`Bland–Altman plot of the volume of ${name}`, points, agreement);
}

function agreementWords({
  biasMm3,
  lowerMm3,
  upperMm3,
  slope,
  intervals,
  cases,
}: NonNullable<LabelSummary['agreement']>): string {
  const withInterval = (value: number, interval: Interval | undefined, decimals: number): string =>
    `${number(value, decimals)}${interval === undefined ? '' : ` (${claimed(interval, decimals)})`}`;
  return `<p class="soft">Bland–Altman over ${count(cases, 'case')}: bias ${withInterval(biasMm3, intervals?.biasMm3, 1)} mm³, limits ${withInterval(lowerMm3, intervals?.lowerMm3, 1)} and ${withInterval(upperMm3, intervals?.upperMm3, 1)} mm³${slope === undefined ? '' : `, slope ${withInterval(slope, intervals?.slope, 3)} mm³ a mm³`}.${intervals === undefined ? '' : ' In brackets, and shaded, 95 % intervals.'}</p>`;
}

function comparison({ comparison: found, summary, model, against }: Report): string {
  if (found === undefined || against === undefined) return '';
  const medianOfLabel = (of: Distribution | undefined): string => number(of?.median, 3);
  const rows = found.labels.map(({ index, name, cases, subjects, medianDifference, interval, test }) => [
    text(name),
    medianOfLabel(summary.labels.find((each) => each.index === index)?.measures.dice),
    medianOfLabel(found.summary.labels.find((each) => each.index === index)?.measures.dice),
    `${medianDifference > 0 ? '+' : ''}${number(medianDifference, 4)}`,
    claimed(interval, 4),
    test === undefined ? '–' : test.p < 0.0001 ? '&lt; 0.0001' : number(test.p, 4),
    `${String(cases)} (${String(subjects)})`,
  ]);
  const head = [
    'Label',
    `${text(model.name)}, median Dice`,
    `${text(against.name)}, median Dice`,
    'Median difference',
    '95 % interval',
    'p (Wilcoxon)',
    'Cases (subjects)',
  ];
  const missing = found.notCompared.length === 0 ? '' : `<p>Not compared: ${text(found.notCompared.join(', '))}.</p>`;
  return `${table(head, rows)}${missing}<p class="soft">Failures of ${text(against.name)}: ${String(found.summary.failures)}. Manifest ${code(against.manifestSha256)}.</p>`;
}

function worst({ summary, results: cases }: Report, pictures: ReadonlyMap<string, Uint8Array>): string {
  const figures = summary.worst.flatMap((name) => {
    const [picture, result] = [pictures.get(name), cases.find((each) => each.name === name)];
    if (picture === undefined || result === undefined) return [];
    const scores = summary.labels.map(({ index, name: label }) => {
      const of = scoresOf(result, index);
      return `${text(label)} Dice ${number(of?.dice, 3)}, HD95 ${number(of?.hd95Mm, 2)} mm`;
    });
    const how = result.failure === undefined ? scores.join(' · ') : `no answer: ${text(result.failure)}`;
    return [
      `<figure><figcaption><strong>${text(name)}</strong> – ${how}</figcaption><img alt="Slices of ${text(name)} with both outlines" src="data:image/png;base64,${Buffer.from(picture).toString('base64')}"></figure>`,
    ];
  });
  if (figures.length === 0) return '';
  return `<p><span class="key" style="background:rgb(${REFERENCE_RGB.join(' ')})"></span>reference<span class="key" style="background:rgb(${PREDICTION_RGB.join(' ')})"></span>model (drawn over it where both agree). Evenly spaced slices through what either of them drew.</p>
${figures.join('\n')}`;
}

function modelFacts({ model, results: cases }: Report): string {
  const runtimes = [...new Set(cases.flatMap(({ runtime }) => (runtime === undefined ? [] : [runtime])))];
  return `${facts(identityFacts(model))}
${facts([['Run-time', runtimes.length === 0 ? undefined : text(runtimes.join(', '))]])}`;
}

function identityFacts(model: ModelIdentity): readonly (readonly [string, string | undefined])[] {
  return [
    ['Licence', text(model.license)],
    ['Intended use', text(model.intendedUse)],
    ['Species', text(model.species.join(', '))],
    ['Contrasts', text(model.contrasts?.join(', ') ?? 'any')],
    ['Network, SHA-256', code(model.modelSha256)],
    ['Manifest, SHA-256', code(model.manifestSha256)],
    ['Preprocessing, SHA-256', code(model.preprocessingSha256)],
    ['Registered demands', model.evalMetrics === undefined ? undefined : code(JSON.stringify(model.evalMetrics))],
  ];
}

function medianOf({ results: cases }: Report, key: 'seconds'): number | undefined {
  const values = cases.map((each) => each[key]).toSorted((a, b) => a - b);
  return values[Math.floor(values.length / 2)];
}

function maxOf({ results: cases }: Report, key: 'peakRssMb'): number | undefined {
  const values = cases.flatMap((each) => each[key] ?? []);
  return values.length === 0 ? undefined : Math.max(...values);
}
