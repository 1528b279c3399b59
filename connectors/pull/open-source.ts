/** The source of a pull, by the way it is spoken with. */
import type { Intake } from '../../core/intake.ts';
import { get } from './c-get.ts';
import { move } from './c-move.ts';
import { askByFind } from './find.ts';
import type { Moves } from './moves.ts';
import type { PullOptions } from './options.ts';
import { askByQido } from './search.ts';
import type { PullSource } from './source.ts';
import { USUAL_SOP_CLASSES } from './storage-contexts.ts';
import type { Throttle } from './throttle.ts';
import { retrieve } from './wado.ts';

export interface SourcePorts {
  readonly intake: Intake;
  readonly moves: Moves;
  readonly throttle: Throttle;
  readonly onBytes: (bytes: number) => void;
}

export function openSource(options: PullOptions, ports: SourcePorts): PullSource {
  const { from } = options;
  switch (from.kind) {
    case 'c-move':
      return {
        ...askByFind(from.peer, options),
        fetch: (study, scope, signal) => move(options, from, study, scope, ports, signal),
      };
    case 'c-get': {
      const asker = askByFind(from.peer, options);
      return {
        ...asker,
        fetch: async (study, scope, signal) => {
          const series =
            scope.level === 'study'
              ? (await asker.series(study, signal)).map(({ seriesInstanceUid }) => seriesInstanceUid)
              : [scope.seriesInstanceUid];
          const sopClasses = await asker.sopClasses(study, series, signal);
          const offered = sopClasses.length === 0 ? USUAL_SOP_CLASSES : sopClasses;
          await get(options, from, study, scope, offered, ports, signal);
        },
      };
    }
    case 'dicomweb':
      return {
        ...askByQido(from.origin, options),
        fetch: (study, scope, signal) => retrieve(options, from.origin, study, scope, ports, signal),
      };
    default:
      return from satisfies never;
  }
}
