/** A source that is asked by C-FIND and sends studies by C-GET, on the association it is asked on. */
import { get } from './c-get.ts';
import { askByFind } from './find.ts';
import type { SourcePorts } from './source-ports.ts';
import type { PullFrom, PullOptions } from './options.ts';
import type { PullSource } from './source.ts';
import { USUAL_SOP_CLASSES } from './storage-contexts.ts';

export function open(options: PullOptions, from: Extract<PullFrom, { kind: 'c-get' }>, ports: SourcePorts): PullSource {
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
