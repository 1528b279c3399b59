/** The project's Dockerfile, read as instructions. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

export interface Instruction {
  readonly name: string;
  /** What stands behind the name, on one line. */
  readonly rest: string;
}

/** @returns its stages, each from its FROM on */
export function readDockerfile(): readonly (readonly Instruction[])[] {
  const text = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '');
  const stages: Instruction[][] = [];
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`no instruction: ${line}`);
    if (name === 'FROM') stages.push([]);
    stages.at(-1)?.push({ name, rest });
  }
  return stages;
}

/** The words of an instruction in its JSON form. */
export function wordsOf(stage: readonly Instruction[], name: string): readonly string[] {
  const { rest = '[]' } = stage.find((each) => each.name === name) ?? {};
  const words: unknown = JSON.parse(rest);
  if (!Array.isArray(words)) throw new Error(`${name} is not in JSON form`);
  return words.map(String);
}

/** What `.dockerignore` lets in and, of that, leaves out: it names what runs and nothing else. */
export function imageContents(): { readonly kept: readonly string[]; readonly dropped: readonly string[] } {
  const lines = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
  const patterns = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (patterns[0] !== '*') throw new Error('.dockerignore has to begin by leaving out all');
  return {
    kept: patterns.filter((each) => each.startsWith('!')).flatMap((each) => namesOf(each.slice(1))),
    dropped: patterns.slice(1).filter((each) => !each.startsWith('!')),
  };
}

/** Of the folders' names only the ending may be open. */
function namesOf(pattern: string): readonly string[] {
  if (!pattern.startsWith('*.')) return [pattern];
  return readdirSync(ROOT).filter((name) => name.endsWith(pattern.slice(1)));
}
