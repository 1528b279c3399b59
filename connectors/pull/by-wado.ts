/** A source that is asked by QIDO-RS and gives studies by WADO-RS. */
import type { SourcePorts } from './source-ports.ts';
import type { PullFrom, PullOptions } from './options.ts';
import { askByQido } from './search.ts';
import type { PullSource } from './source.ts';
import { retrieve } from './wado.ts';

export function open(
  options: PullOptions,
  from: Extract<PullFrom, { kind: 'dicomweb' }>,
  ports: SourcePorts,
): PullSource {
  return {
    ...askByQido(from.origin, options),
    fetch: (study, scope, signal) => retrieve(options, from.origin, study, scope, ports, signal),
  };
}
