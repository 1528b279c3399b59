/**
 * Takes a study folder through `ingest` into the hub: each reconstruction as the object it becomes, and what the scanner
 * exported as DICOM beside it as it is. One bad scan keeps no other from it.
 */
import { randomUUID } from 'node:crypto';
import { HubError, toHubError } from '../../core/errors.ts';
import type { Provenance } from '../../core/ledger/instances.ts';
import type { Counter, Logger } from '../../core/ports.ts';
import { noteLines, removeNote } from './error-note.ts';
import type { FoundStudy, StudyItem } from './found-study.ts';
import { receive } from './receive.ts';
import { commit, failed, type Outcome, type TakePorts, watched } from './outcome.ts';
import { take } from './take.ts';

export interface TakeStudyPorts extends TakePorts {
  readonly log: Logger;
  readonly scans: Counter<'source' | 'outcome'>;
  /** The study's fingerprint as it stands now. */
  readonly look: (path: string) => Promise<string>;
}

/** Large, and never an instance. Whatever else is in a study is looked at: exports stand between the parameters. */
const RAW = /(?:^|\/)(?:fid|ser|traj|rawdata)(?:\.[^/]*)?$/u;
const IMAGES = /(?:^|\/)2dseq(?:\.[^/]*)?$/u;
/** A reconstruction whose images the scanner's software exported itself. */
const EXPORTED = /(?:^|\/)(\d+\/pdata\/\d+)\/dicom\//u;
const MAX_LISTED = 20;

/** True for a file of a study folder that no image is made of. @param name - with forward slashes */
export function isRaw(name: string): boolean {
  return RAW.test(name);
}

/** It never rejects. */
export async function takeStudy(
  study: FoundStudy,
  { door, source }: Provenance,
  ports: TakeStudyPorts,
): Promise<Outcome> {
  // Sent at one go, as an association would be.
  const provenance: Provenance = { door, source, associationId: randomUUID() };
  let isWhole = false;
  try {
    // What was wrong before may be right now.
    for (const note of study.notes) await removeNote(note.slice(0, -'.error'.length));
    const outcome = await takeAll(study, provenance, ports);
    // It is read for minutes, and the scanner may go on.
    if (outcome.kind !== 'later' && (await ports.look(study.path)) !== study.fingerprint) return { kind: 'changed' };
    isWhole = outcome.kind === 'taken';
    return outcome;
  } catch (error) {
    return failed(error);
  } finally {
    ports.onEnded(provenance.associationId, isWhole);
  }
}

async function takeAll(study: FoundStudy, provenance: Provenance, ports: TakeStudyPorts): Promise<Outcome> {
  const tally = new StudyTally();
  const exported = new Set<string>();
  for (const file of study.files) {
    if (isRaw(file.name) || IMAGES.test(file.name)) continue;
    ports.signal.throwIfAborted();
    const outcome = await (await take(file, provenance, ports)).outcome;
    if (isOver(outcome)) return outcome;
    const reconstruction = EXPORTED.exec(file.name.slice(study.name.length + 1))?.[1];
    if (outcome.kind === 'taken') {
      tally.taken(outcome.instances);
      if (reconstruction !== undefined) exported.add(reconstruction);
    } else if (outcome.kind === 'refused') {
      // Not its name: of all but the scanner's own folders it may be a patient's.
      tally.refused(reconstruction?.split('/')[0], reconstruction ?? 'an exported file', outcome.error);
    }
  }
  for await (const item of study.study.items()) {
    ports.signal.throwIfAborted();
    ports.onProgress();
    const outcome = exported.has(item.name) ? 'exported' : await takeItem(item, provenance, ports);
    if (typeof outcome === 'object' && isOver(outcome)) return outcome;
    ports.scans.increment({ source: provenance.source, outcome: nameOf(outcome, item) });
    if (outcome === 'exported') continue;
    if (outcome.kind === 'taken') {
      tally.taken(outcome.instances);
      if (item.kind === 'image' && item.remark !== undefined)
        ports.log.warn('scan taken, and worth a look', { scan: item.name, reason: item.remark });
    }
    if (outcome.kind !== 'refused') continue;
    const { code, fields } = outcome.error;
    ports.log.warn('scan not taken, a note beside it says why', { scan: item.name, code, ...fields });
    if (code === 'internal.unexpected') ports.log.error('unexpected failure', { reason: String(outcome.error.cause) });
    tally.refused(item.scan, item.name, outcome.error);
  }
  return tally.outcome;
}

async function takeItem(item: StudyItem, provenance: Provenance, ports: TakeStudyPorts): Promise<Outcome> {
  if (item.kind === 'no-image') return { kind: 'other' };
  if (item.kind === 'broken') return failed(item.error);
  let opened;
  try {
    opened = await item.open(ports.signal);
  } catch (error) {
    return failed(error);
  }
  try {
    const received = await receive(watched(opened.source.stream(), ports), provenance, ports.receive);
    // What is made here is an instance, or our own mistake.
    if (received.kind !== 'instance') return failed(toHubError(new TypeError(`made of a scan: ${received.kind}`)));
    return await commit(received, ports);
  } catch (error) {
    return failed(error);
  } finally {
    await opened.source.close();
  }
}

/** These concern the whole folder: it is read again, later. */
function isOver({ kind }: Outcome): boolean {
  return kind === 'later' || kind === 'unreadable-now' || kind === 'changed';
}

function nameOf(outcome: Outcome | 'exported', item: StudyItem): string {
  if (outcome === 'exported') return 'exported';
  if (item.kind === 'no-image') return 'no-image';
  return outcome.kind === 'taken' ? 'converted' : 'refused';
}

/** What became of a study's scans. */
class StudyTally {
  #instances = 0;
  #first: HubError | undefined;
  #files = 0;
  readonly #scans = new Map<string, string[]>();

  taken(instances: number): void {
    this.#instances += instances;
  }

  /** @param scan - whose it is, if it is one's @param name - of the reconstruction, relative to the study */
  refused(scan: string | undefined, name: string, error: HubError): void {
    this.#first ??= error;
    if (scan === undefined) {
      this.#files += 1;
      return;
    }
    const lines = this.#scans.get(scan) ?? [];
    if (lines.length < MAX_LISTED * 8) lines.push(`what: ${name}`, ...noteLines(error), '');
    this.#scans.set(scan, lines);
  }

  get outcome(): Outcome {
    if (this.#first === undefined)
      return this.#instances === 0 ? { kind: 'other' } : { kind: 'taken', instances: this.#instances };
    const scans = [...this.#scans.keys()];
    const more = scans.length - MAX_LISTED;
    const lines = [
      ...noteLines(this.#first),
      `objects of this study that are in the hub: ${String(this.#instances)}`,
      `scans that were not taken, each with a note beside it: ${String(scans.length)}`,
      ...scans.slice(0, MAX_LISTED).map((scan) => `scan ${scan}`),
      ...(more > 0 ? [`and ${String(more)} more`] : []),
      ...(this.#files > 0 ? [`other files that were not taken: ${String(this.#files)}`] : []),
    ];
    return {
      ...{ kind: 'refused', error: this.#first, lines, scans: this.#scans },
      ...{ instances: this.#instances, files: this.#files },
    };
  }
}
