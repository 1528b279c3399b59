/** A source that is asked by C-FIND and has studies sent by C-MOVE. */
import { move } from './c-move.ts';
import { askByFind } from './find.ts';
import type { SourcePorts } from './source-ports.ts';
import type { PullFrom, PullOptions } from './options.ts';
import type { PullSource } from './source.ts';

export function open(
  options: PullOptions,
  from: Extract<PullFrom, { kind: 'c-move' }>,
  ports: SourcePorts,
): PullSource {
  return {
    ...askByFind(from.peer, options),
    fetch: (study, scope, signal) => move(options, from, study, scope, ports, signal),
  };
}
