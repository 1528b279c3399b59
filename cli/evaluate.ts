/** `hub evaluate --model M --reference DIR --cases DIR`: a model on de-identified cases, in shadow, against what people drew. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { count } from '../core/count.ts';
import { HubError } from '../core/errors.ts';
import { BIDS_SUBJECT } from '../evaluation/cases-table.ts';
import { makeReport, type Report, reportSchema, type Scored } from '../evaluation/report.ts';
import { evaluationPage } from '../evaluation/report-page.ts';
import { type CaseEntry, type Contestant, runCases } from '../evaluation/run.ts';
import { HUB } from '../processors/objects/hub.ts';
import type { Model } from '../processors/segment/model.ts';
import { openModelOrFolder } from '../processors/segment/open-model.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION } from './configuration.ts';
import { configuredModels } from './configured-models.ts';
import { findCases } from './evaluate-cases.ts';
import { cardOf, contestantOf, identityOf } from './evaluate-model.ts';
import type { CaseScan } from './evaluate-scan.ts';
import { caseShelf, register, replace } from './evaluate-shelf.ts';
import { EXIT } from './exit-codes.ts';
import { type ProgressBar, progressBar } from './progress.ts';
import { interruptible } from './signals.ts';
import { columns, json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  model: { type: 'string', value: 'NAME|DIR', about: 'the model: its name, or a folder with model.json (needed)' },
  reference: { type: 'string', value: 'DIR', about: 'masks that people drew, called like the cases (needed)' },
  cases: {
    type: 'string',
    value: 'DIR',
    about: 'scans: NIfTI files, or a folder each of DICOM or ParaVision (needed)',
  },
  out: {
    type: 'string',
    value: 'DIR',
    about: 'where the report and each case go (evaluation-MODEL); a run that was cut off goes on there',
  },
  against: { type: 'string', value: 'NAME|DIR', about: 'another model to compare with, case by case' },
  table: {
    type: 'string',
    value: 'FILE',
    about: 'subjects, scanners and so on of the cases (cases.csv or cases.tsv in --cases)',
  },
  'subject-pattern': {
    type: 'string',
    value: 'REGEX',
    about: 'which part of a case’s name is its subject, without a table (sub-…, as in BIDS)',
  },
  'require-acceptance': { type: 'boolean', about: 'end with 4 unless the model reaches what its manifest registers' },
  schema: { type: 'boolean', about: 'print the JSON Schema of report.json' },
  config: CONFIG_OPTION,
  json: JSON_OPTION,
} as const;

/** 0 when the report was made and at least one case got an answer. */
export async function evaluate(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  if (positionals.length > 0) throw usage(`what is ${positionals[0] ?? ''}? Folders are given with options`);
  if (values.schema === true) {
    to.out(json(z.toJSONSchema(reportSchema)));
    return EXIT.done;
  }
  const { reference, cases } = values;
  if (values.model === undefined) throw usage('which model? --model NAME or a folder');
  if (reference === undefined) throw usage('what is right? --reference DIR with masks');
  if (cases === undefined) throw usage('on what? --cases DIR with scans');
  const catalogue = { models: configuredModels(values.config) };
  const model = openModelOrFolder(values.model, catalogue);
  const other = values.against === undefined ? undefined : openModelOrFolder(values.against, catalogue);
  const out = values.out ?? `evaluation-${model.manifest.name}`;
  const subjectPattern = parsePattern(values['subject-pattern']);

  const entries = await findCases({ cases, references: reference, table: values.table, subjectPattern }, model);
  if (entries.length === 0) throw new HubError('file.failed', { detail: `${cases} holds no case` });
  const report = await interruptible((signal) => runAll(entries, model, other, out, signal));

  await replace(join(out, 'report.json'), `${json(report)}\n`);
  await replace(join(out, 'report.html'), evaluationPage(report, await picturesOf(report, out), cardOf(model)));
  if (values.json === true) to.out(json(report));
  else for (const line of linesOf(report, out)) to.out(line);
  if (!report.results.some(({ outcome }) => outcome === 'scored')) {
    to.err(`no case below ${cases} got an answer`);
    return EXIT.failed;
  }
  const isRefused = values['require-acceptance'] === true && report.acceptance.outcome !== 'accepted';
  return isRefused ? EXIT.notAccepted : EXIT.done;
}

async function runAll(
  entries: readonly CaseEntry<CaseScan>[],
  model: Model,
  other: Model | undefined,
  out: string,
  signal: AbortSignal,
): Promise<Report> {
  const registration = await register(out, {
    registeredAt: new Date().toISOString(),
    model: identityOf(model),
    ...(other === undefined ? {} : { against: identityOf(other) }),
  });
  const bar = progressBar('evaluating', entries.length * (other === undefined ? 1 : 2));
  try {
    const { labels } = model.manifest;
    const ours = await scored(entries, contestantOf(model, labels), join(out, 'cases'), bar, 0, signal);
    const theirs =
      other === undefined
        ? undefined
        : await scored(entries, contestantOf(other, labels), join(out, 'against'), bar, entries.length, signal);
    return makeReport(registration, HUB, ours, theirs, new Date().toISOString());
  } finally {
    bar.stop();
  }
}

async function scored(
  entries: readonly CaseEntry<CaseScan>[],
  contestant: Contestant<CaseScan>,
  folder: string,
  bar: ProgressBar,
  before: number,
  signal: AbortSignal,
): Promise<Scored> {
  const onCase = (done: number, note: string): void => {
    bar.update(before + done, note);
  };
  const { results, leftOut } = await runCases(entries, contestant, caseShelf(folder), onCase, signal);
  return { labels: contestant.labels, results, leftOut };
}

async function picturesOf({ summary }: Report, out: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const pictures = new Map<string, Uint8Array>();
  for (const name of summary.worst) pictures.set(name, await readFile(join(out, 'cases', name, 'overlay.png')));
  return pictures;
}

function linesOf(report: Report, out: string): readonly string[] {
  const { summary, model, acceptance, leftOut, comparison } = report;
  const rows = summary.labels.map(({ name, measures: { dice, nsd, hd95Mm } }) => [
    name,
    dice === undefined ? '' : `${dice.median.toFixed(3)} (${dice.q1.toFixed(3)}–${dice.q3.toFixed(3)})`,
    nsd === undefined ? '' : nsd.median.toFixed(3),
    hd95Mm === undefined ? '' : hd95Mm.median.toFixed(2),
  ]);
  const verdicts = {
    accepted: 'accepted',
    'not-accepted': 'NOT accepted',
    'not-registered': 'no acceptance registered',
  };
  return [
    `${model.name} ${model.version}: ${count(summary.cases, 'case')} of ${count(summary.subjects, 'subject')}, ${count(summary.failures, 'failure')}, ${String(leftOut.length)} left out`,
    ...columns([['LABEL', 'DICE median (quartiles)', 'NSD', 'HD95 mm'], ...rows]),
    ...(comparison?.labels ?? []).map(
      ({ name, medianDifference, test }) =>
        `against ${report.against?.name ?? ''}: ${name} Dice ${medianDifference >= 0 ? '+' : ''}${medianDifference.toFixed(4)}${test === undefined ? '' : `, p ${test.p.toPrecision(2)}`}`,
    ),
    ...leftOut.map(({ name, reason }) => `left out: ${name}: ${reason}`),
    `${verdicts[acceptance.outcome]}${acceptance.criteria.map(({ label, demanded, reached, isMet }) => `\n  ${isMet ? 'met' : 'NOT met'}: ${label === undefined ? '' : `${label}: `}${demanded}${reached === undefined ? '' : `, reached ${reached.toFixed(3)}`}`).join('')}`,
    `report: ${join(out, 'report.html')}`,
  ];
}

function parsePattern(text: string | undefined): RegExp {
  if (text === undefined) return BIDS_SUBJECT;
  try {
    return new RegExp(text);
  } catch (error) {
    throw new HubError('command.usage', { detail: `--subject-pattern ${text} is no regular expression` }, error);
  }
}

const usage = (detail: string): HubError => new HubError('command.usage', { detail });
