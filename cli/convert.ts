/** `hub convert PATH --out DIR [--to nifti|dicom]`: series as the files that other programs read; nothing is measured, nothing is sent. */
import { HubError } from '../core/errors.ts';
import { suggest } from '../core/suggestion.ts';
import { JSON_OPTION, onlyPath, readArguments } from './arguments.ts';
import { type Conversion, toDicom } from './convert-to-dicom.ts';
import { toNifti } from './convert-to-nifti.ts';
import { EXIT } from './exit-codes.ts';
import { sentenceOf } from './failure.ts';
import { pathOrUnpacked } from './local-archive.ts';
import { leftOutLines, type LocalFiles, openLocalFiles } from './local-files.ts';
import { makeFolder } from './out-folder.ts';
import { interruptible } from './signals.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  out: { type: 'string', value: 'DIR', about: 'where the files go (needed)' },
  to: { type: 'string', value: 'FORMAT', about: 'nifti (what research tools read) or dicom (what PACS read); nifti' },
  json: JSON_OPTION,
} as const;

/** What there is to convert to; each takes whatever `openLocalFiles` reads. */
const TARGETS: Readonly<
  Record<string, (files: LocalFiles, out: string, signal: AbortSignal) => Promise<readonly Conversion[]>>
> = { nifti: toNifti, dicom: toDicom };

/** 0 when at least one series was converted and none failed. */
export async function convert(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const path = onlyPath(positionals);
  const { out, to: format = 'nifti' } = values;
  if (out === undefined) throw new HubError('command.usage', { detail: 'where do the files go? --out DIR' });
  const target = Object.hasOwn(TARGETS, format) ? TARGETS[format] : undefined;
  if (target === undefined)
    throw new HubError('command.usage', {
      detail: `--to ${format} is not known${suggest(format, Object.keys(TARGETS))}: nifti or dicom`,
    });

  const files = await openLocalFiles(await pathOrUnpacked(path, to));
  for (const line of leftOutLines(files)) to.err(line);
  await makeFolder(out);
  const converted = await interruptible((signal) => target(files, out, signal));
  const damaged = files.damaged.map(({ name, error }): Conversion => ({ name, error: sentenceOf(error) }));
  const series = [...converted, ...damaged];

  if (values.json === true) to.out(json({ to: format, series }));
  // What could not be read was said above.
  else for (const each of converted) to.out(sentence(each));
  const isWhole = series.every(({ error }) => error === undefined);
  if (series.some((each) => each.files !== undefined)) return isWhole ? EXIT.done : EXIT.failed;
  to.err(`nothing below ${path} was converted`);
  return EXIT.failed;
}

function sentence({ name, dims, files, findings = [], error }: Conversion): string {
  const lines = [
    `${name}${dims === undefined ? '' : `: ${dims.join(' × ')}`}`,
    ...(files ?? []).map((file) => `  ${file}`),
    ...findings.map((finding) => `  ! ${finding}`),
    ...(error === undefined ? [] : [`  not converted: ${error}`]),
  ];
  return lines.join('\n');
}
