/** The way to a PACS: Query/Retrieve in the Study Root model (PS3.4 Annex C), and whether it will send to us. */
import { type Diagnosis, fine, skipped, warning, wrong } from '../../core/diagnosis.ts';
import { HubError } from '../../core/errors.ts';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { ProposedContext } from '../../peers/dimse/negotiation.ts';
import { echo, hex, type Met, probePeer, VERIFICATION } from '../probe/dimse.ts';
import type { Words } from '../probe/refusal-sentences.ts';
import { makeTestObject } from '../probe/test-object.ts';
import { move } from './c-move.ts';
import { askByFind } from './find.ts';
import { Moves } from './moves.ts';
import type { PullFrom, PullOptions } from './options.ts';
import type { AskSource, PullProbe } from './probe-parts.ts';
import { SYNTAXES } from './retrieval.ts';
import { Throttle } from './throttle.ts';

type PacsFrom = Extract<PullFrom, { readonly kind: 'c-move' | 'c-get' }>;

const WORDS: Words = {
  who: 'source',
  entry: 'from.dicom of this pull',
  patience: 'The pull tries again by itself.',
};
/** PS3.4 Table C.6.2-1 */
const STUDY_ROOT_FIND = '1.2.840.10008.5.1.4.1.2.2.1';
const RETRIEVE = {
  'c-move': { uid: '1.2.840.10008.5.1.4.1.2.2.2', name: 'C-MOVE' },
  'c-get': { uid: '1.2.840.10008.5.1.4.1.2.2.3', name: 'C-GET' },
} as const;
const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';
/** What comes back on our own association: the source has to agree that we are who is sent to (PS3.7 Section D.3.3.4). */
const STORAGE: readonly ProposedContext[] = SYNTAXES.map((transferSyntaxUid) => ({
  sopClassUid: MR_IMAGE_STORAGE,
  transferSyntaxUid,
  asProvider: true,
}));

export async function* probePacs(
  options: PullOptions,
  from: PacsFrom,
  ask: AskSource,
  probe: PullProbe,
): AsyncGenerator<Diagnosis> {
  const { signal } = probe;
  const retrieve = RETRIEVE[from.kind];
  const contexts = [
    VERIFICATION,
    ...contextsOf(STUDY_ROOT_FIND),
    ...contextsOf(retrieve.uid),
    ...(from.kind === 'c-get' ? STORAGE : []),
  ];
  const met = yield* probePeer(from.peer, contexts, WORDS, signal);
  if (met === undefined) return;
  const { association } = met;
  yield await echo(association, WORDS, signal);
  const finds = isTaken(association, contextsOf(STUDY_ROOT_FIND));
  const sends = isTaken(association, contextsOf(retrieve.uid));
  await association.release();
  yield offered('contexts.find', 'C-FIND', STUDY_ROOT_FIND, finds);
  yield offered('contexts.retrieve', retrieve.name, retrieve.uid, sends);
  if (from.kind === 'c-get') yield storageOffered(isTaken(association, STORAGE));

  if (finds) yield* ask(askByFind(from.peer, options), 'C-FIND');
  else yield skipped('query', 'The query was not tried', 'The source answers no C-FIND.');
  if (from.kind !== 'c-move') return;
  if (sends) yield await moveNothing(options, from, met, probe);
  else yield skipped('move', 'Whether it sends to us was not tried', 'The source takes no C-MOVE.');
}

const contextsOf = (sopClassUid: string): readonly ProposedContext[] =>
  SYNTAXES.map((transferSyntaxUid) => ({ sopClassUid, transferSyntaxUid }));

const isTaken = ({ contextIdOf }: Met['association'], contexts: readonly ProposedContext[]): boolean =>
  contexts.some((context) => contextIdOf(context) !== undefined);

function offered(id: string, name: string, uid: string, isThere: boolean): Diagnosis {
  if (isThere) return fine(id, `Takes ${name} (Study Root)`);
  return wrong(
    id,
    `Takes no ${name} (Study Root)`,
    `The source refuses the SOP class ${uid}: its Query/Retrieve is off, for everybody or for us.`,
    name === 'C-GET'
      ? 'Switch C-GET on at the source, or take retrieve: c-get out: C-MOVE is what most archives do.'
      : `Switch ${name} on at the source for our AE title.`,
  );
}

function storageOffered(isThere: boolean): Diagnosis {
  if (isThere) return fine('contexts.storage', 'Sends MR Image Storage back on our association');
  return warning(
    'contexts.storage',
    'Does not agree to send MR Image Storage back on our association',
    'A C-GET needs it; some archives refuse it for a SOP class of which they have nothing.',
    'If a run brings no instances, use C-MOVE (take retrieve: c-get out).',
  );
}

/**
 * A move of a study that nobody has: what is looked up is only to whom it would go. Some look that up only when there is
 * something to send: what they say of a title that nobody has tells whether a success means anything.
 */
async function moveNothing(
  options: PullOptions,
  from: Extract<PacsFrom, { readonly kind: 'c-move' }>,
  { peer, reached }: Met,
  { door, signal }: PullProbe,
): Promise<Diagnosis> {
  const us = `AE title ${from.moveTo}, host ${door.hosts.length === 0 ? reached.localAddress : door.hosts.join(' or ')}, port ${String(door.port)}`;
  const run = `hub pulls run ${options.name}`;
  const ours = await answerTo(options, from, from.moveTo, signal);
  if (typeof ours !== 'number') return failedMove(ours);
  if (ours === UNKNOWN_DESTINATION) return unknownDestination(from.moveTo, us, hex(ours));
  if (ours === NOT_AUTHORISED) {
    return wrong(
      'move',
      'We may not retrieve from the source',
      `It refuses the C-MOVE: not authorised (${hex(ours)}).`,
      'Have the source allow our AE title to retrieve, and not only to search.',
    );
  }
  const nobodys = await answerTo(options, from, NOBODY, signal);
  if (ours === 0 && nobodys !== 0) {
    return fine(
      'move',
      `${peer.calledAeTitle} knows ${from.moveTo} as a destination. Whether it has us there as ${us} a run shows: ${run}`,
    );
  }
  return skipped(
    'move',
    `Whether the source would send to ${from.moveTo} cannot be told`,
    `${
      ours === 0
        ? 'As long as it has nothing to send, it takes a C-MOVE to a title that nobody has just as well.'
        : `It answers the C-MOVE of a study that nobody has with ${hex(ours)}, whoever it is to go to.`
    } It must have a node that it may send to: ${us}. A run shows it: ${run}`,
  );
}

/** PS3.4 Table C.4-2 */
const UNKNOWN_DESTINATION = 0xa801;
const NOT_AUTHORISED = 0x0124;
const NOBODY = 'HUBDOCTORNOBODY';

/** @returns the status; or what went wrong before there was one */
async function answerTo(
  options: PullOptions,
  from: Extract<PacsFrom, { readonly kind: 'c-move' }>,
  moveTo: string,
  signal: AbortSignal,
): Promise<number | HubError> {
  const nothing = parseStudyInstanceUid(makeTestObject('', new Date()).studyInstanceUid);
  const ports = { moves: new Moves([], true), throttle: new Throttle(undefined), onBytes: () => undefined };
  try {
    await move(options, { ...from, moveTo }, nothing, { level: 'study' }, ports, signal);
    return 0;
  } catch (error) {
    if (!(error instanceof HubError) || signal.aborted) throw error;
    const { status } = error.fields;
    return typeof status === 'number' ? status : error;
  }
}

function unknownDestination(moveTo: string, us: string, status: string): Diagnosis {
  return wrong(
    'move',
    `The source does not know ${moveTo} as a destination`,
    `It refuses the C-MOVE (${status}). A C-MOVE says by an AE title alone to whom the images go; host and port stand at the source.`,
    `At the source, add a node that it may send to: ${us}.`,
  );
}

function failedMove(error: HubError): Diagnosis {
  const { detail } = error.fields;
  return wrong(
    'move',
    'The C-MOVE fails',
    `${error.row.title}${typeof detail === 'string' ? `: ${detail}` : ''}.`,
    'Look at the log of the source for the same minute.',
  );
}
