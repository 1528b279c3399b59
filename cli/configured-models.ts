/** Models of the configuration, when there is one; the bundled ones need none. */
import { HubError } from '../core/errors.ts';
import type { Catalogue } from '../core/plugins.ts';
import { configShapes } from '../wiring/shapes.ts';
import { loadFor } from './configuration.ts';

/** @throws {HubError} `config.invalid` when a file was named and is not valid */
export function configuredModels(file: string | undefined): Catalogue['models'] {
  const { loaded } = loadFor(file, configShapes());
  if (loaded.mistakes === undefined) return loaded.config.models;
  if (file === undefined) return [];
  throw new HubError('config.invalid', { detail: `${file} is not valid: run hub check --config ${file}` });
}
