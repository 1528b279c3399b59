/** `hub models list`, `hub models check DIR`: which models there are, and what is wrong with one somebody wants to add. */
import { ALLOWANCES, type Allowance } from '../processors/segment/onnx-guard.ts';
import { HubError } from '../core/errors.ts';
import { checkModel, type ModelCheck } from '../processors/segment/model.ts';
import { modelPlaces } from '../processors/segment/open-model.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION } from './configuration.ts';
import { configuredModels } from './configured-models.ts';
import { EXIT } from './exit-codes.ts';
import { columns, json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  config: CONFIG_OPTION,
  allow: {
    type: 'string',
    value: 'WHAT',
    multiple: true,
    about: `as allow of models: says: ${ALLOWANCES.join(' or ')}; may be given twice`,
  },
  json: JSON_OPTION,
} as const;

/** 0 when the model, or every listed one, is usable; 1 when not. */
export async function models(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [verb, folder, ...more] = positionals;
  const isJson = values.json === true;
  if (verb === 'list' && folder === undefined) return list(values.config, isJson, to);
  if (verb === 'check' && folder !== undefined && more.length === 0)
    return check(folder, (values.allow ?? []).map(parseAllowance), isJson, to);
  throw new HubError('command.usage', { detail: 'models list, or models check DIR' });
}

function list(config: string | undefined, isJson: boolean, to: Terminal): number {
  const rows = modelPlaces({ models: configuredModels(config) }).map(({ name, path, allow, isBundled }) => ({
    name,
    path,
    from: isBundled ? 'the hub' : 'the configuration',
    ...summaryOf(checkModel(path, allow)),
  }));
  if (isJson) to.out(json(rows));
  else
    for (const line of columns([
      ['NAME', 'VERSION', 'FROM', 'FOR', 'LABELS'],
      ...rows.map(({ name, from, version, species, contrasts, labels, problems }) => [
        name,
        version ?? '',
        from,
        problems.length > 0
          ? `NOT USABLE: ${problems[0] ?? ''}`
          : `${(species ?? []).join(', ')}; ${(contrasts ?? ['any contrast']).join(', ')}`,
        (labels ?? []).join(', '),
      ]),
    ]))
      to.out(line);
  return rows.every(({ problems }) => problems.length === 0) ? EXIT.done : EXIT.failed;
}

function check(folder: string, allow: readonly Allowance[], isJson: boolean, to: Terminal): number {
  const found = checkModel(folder, allow);
  const summary = summaryOf(found);
  if (isJson) to.out(json(summary));
  else for (const line of linesOf(folder, found)) to.out(line);
  return found.problems.length === 0 ? EXIT.done : EXIT.failed;
}

function linesOf(folder: string, { model, network, problems, notes }: ModelCheck): readonly string[] {
  const lines = problems.map(({ where, what }) => `${where}: ${what}`);
  if (model === undefined || network === undefined) return [...lines, `${folder} cannot be used`];
  const { manifest } = model;
  return [
    ...notes.map((note) => `note: ${note}`),
    `${folder} can be used: ${manifest.name} ${manifest.version}, operator set ${String(network.opset)}, ${manifest.labels.map(({ name }) => name).join(', ')}`,
    `  network   ${manifest.onnx.sha256}`,
    `  manifest  ${model.manifestSha256}`,
  ];
}

function summaryOf({ model, network, problems, notes }: ModelCheck) {
  return {
    isUsable: problems.length === 0,
    problems: problems.map(({ where, what }) => `${where}: ${what}`),
    notes,
    ...(model === undefined
      ? {}
      : {
          model: model.manifest.name,
          version: model.manifest.version,
          species: model.manifest.species,
          contrasts: model.manifest.contrasts,
          labels: model.manifest.labels.map(({ name }) => name),
          modelSha256: model.manifest.onnx.sha256,
          manifestSha256: model.manifestSha256,
        }),
    ...(network === undefined ? {} : { opset: network.opset, operators: [...network.operators].toSorted() }),
  };
}

function parseAllowance(word: string): Allowance {
  const known = ALLOWANCES.find((each) => each === word);
  if (known === undefined)
    throw new HubError('command.usage', { detail: `--allow takes ${ALLOWANCES.join(' or ')}, not ${word}` });
  return known;
}
