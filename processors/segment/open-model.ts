/** Models by name: those of the configuration, those that come with the hub; for a command also a folder. */
import { existsSync, readdirSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HubError } from '../../core/errors.ts';
import type { Catalogue } from '../../core/plugins.ts';
import { type Model, readModel } from './model.ts';

export const DEFAULT_MODEL = 'rodent-brain';
const BUNDLED = fileURLToPath(new URL('./models/', import.meta.url));

/** A configured model by its folder, else a bundled one. @throws {HubError} `config.invalid`, `model.invalid` */
export function openModel(name: string, catalogue: Pick<Catalogue, 'models'>): Model {
  const place = modelPlaces(catalogue).find((each) => each.name === name);
  if (place === undefined) {
    throw new HubError('config.invalid', {
      detail: `there is no model ${JSON.stringify(name)}: add it under models, or use ${DEFAULT_MODEL}`,
    });
  }
  return readModel(place.path, place.allow);
}

/** As `openModel`; what is no name of a model but a folder with a manifest is that. */
export function openModelOrFolder(nameOrFolder: string, catalogue: Pick<Catalogue, 'models'>): Model {
  const isName = modelPlaces(catalogue).some(({ name }) => name === nameOrFolder);
  if (isName || !existsSync(join(nameOrFolder, 'model.json'))) return openModel(nameOrFolder, catalogue);
  return readModel(resolve(nameOrFolder));
}

export interface ModelPlace {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly allow: Model['allow'];
  readonly isBundled: boolean;
}

/** Every model there is a name for; a configured one takes the place of a bundled one of the same name. */
export function modelPlaces({ models }: Pick<Catalogue, 'models'>): readonly ModelPlace[] {
  const configured = models.map(({ name, path, allow = [] }) => ({
    name,
    path: isAbsolute(path) ? path : join(process.cwd(), path),
    allow,
    isBundled: false,
  }));
  const bundled = readdirSync(BUNDLED, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !models.some(({ name }) => name === entry.name))
    .map(({ name }) => ({ name, path: join(BUNDLED, name), allow: [], isBundled: true }));
  return [...bundled, ...configured];
}
