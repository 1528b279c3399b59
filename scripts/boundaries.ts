import { globSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import extractTypeScriptConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import ts from 'typescript';
import { boundaryRules, ROOMS } from './room-table.ts';

// `npm run boundaries`: enforces the room table, and shows that it looked. A checker that read no file, that could not
// read TypeScript, or whose rule matches nothing reports a clean house just as a correct one does; so every file on disk
// has to be among those seen, every import in it too, and every rule has to catch an import planted for it.

const ROOT = resolve(import.meta.dirname, '..');
const rules = boundaryRules();

const insensitive = await insensitiveRules();
const complaints = [...insensitive, ...(await house())];
console.log(`${rules.length - insensitive.length} of ${rules.length} rules caught the import planted for them`);
for (const complaint of complaints) console.error(complaint);
process.exitCode = complaints.length === 0 ? 0 : 1;

async function house(): Promise<readonly string[]> {
  const files = sourceFiles();
  const strays = files.filter((file) => !ROOMS.some(({ name }) => file === name || file.startsWith(`${name}/`)));
  const result = await look(ROOT, files);
  const seen = new Map(result.modules.map((module) => [module.source, module.dependencies]));

  const unseen: string[] = [];
  for (const file of files) {
    const dependencies = seen.get(file);
    if (dependencies === undefined) unseen.push(`${file}: was not looked at`);
    const named = new Set(dependencies?.map(({ module }) => withoutScheme(module)));
    for (const specifier of await importsOf(file)) {
      if (dependencies !== undefined && !named.has(withoutScheme(specifier)))
        unseen.push(`${file}: its import of ${specifier} was not looked at`);
    }
  }
  for (const { name } of ROOMS) {
    const count = files.filter((file) => file === name || file.startsWith(`${name}/`)).length;
    if (count > 0) console.log(`${name}: ${count} ${count === 1 ? 'file' : 'files'}`);
  }
  return [
    ...strays.map((file) => `${file}: is in no room of scripts/room-table.ts`),
    ...unseen,
    ...result.summary.violations.map(({ from, to, rule }) => `${from} → ${to}: ${rule.name}`),
  ];
}

/** Plants, in a copy of nothing but the rooms' names, one wrong import for each rule, and names the rules that let it pass. */
async function insensitiveRules(): Promise<readonly string[]> {
  const complaints: string[] = [];
  const garden = await mkdtemp(join(tmpdir(), 'hub-boundaries-'));
  try {
    await cp(join(ROOT, 'package.json'), join(garden, 'package.json'));
    await symlink(join(ROOT, 'node_modules'), join(garden, 'node_modules'));
    for (const { rule, plant } of rules) {
      const files = await plantIn(garden, plant);
      const { summary } = await look(garden, files);
      const caught = summary.violations.some(
        // A cycle is reported once, from whichever of its files.
        ({ from, to, rule: broken }) => broken.name === rule.name && [from, to].includes(plant.in),
      );
      if (!caught) complaints.push(`"${rule.name}" did not catch ${plant.imports} in ${plant.in}`);
      for (const file of files) await rm(join(garden, file), { force: true });
    }
  } finally {
    await rm(garden, { recursive: true });
  }
  return complaints;
}

async function plantIn(garden: string, plant: { in: string; imports: string }): Promise<readonly string[]> {
  const isOurs = plant.imports.startsWith('./');
  const target = plant.imports.slice('./'.length);
  const fromHere = relative(dirname(plant.in), target);
  const specifier = isOurs ? (fromHere.startsWith('.') ? fromHere : `./${fromHere}`) : plant.imports;
  const files = new Map([[plant.in, `import '${specifier}';\n`]]);
  // The imported file imports back, which is what the rule on cycles has to see.
  if (isOurs && !target.includes('not-there')) {
    const back = relative(dirname(target), plant.in);
    files.set(target, `import '${back.startsWith('.') ? back : `./${back}`}';\n`);
  }
  for (const [file, text] of files) {
    await mkdir(dirname(join(garden, file)), { recursive: true });
    await writeFile(join(garden, file), text);
  }
  return [...files.keys()];
}

async function look(folder: string, files: readonly string[]): Promise<ICruiseResult> {
  const tsConfig: unknown = extractTypeScriptConfig(join(ROOT, 'tsconfig.json'));
  const { output } = await cruise(
    [...files],
    {
      baseDir: folder,
      validate: true,
      ruleSet: { forbidden: rules.map(({ rule }) => rule) },
      doNotFollow: { path: 'node_modules' },
      // An import of a type is an import: rooms must not know each other's types either.
      tsPreCompilationDeps: true,
      enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
    },
    undefined,
    { tsConfig },
  );
  if (typeof output === 'string') throw new Error('dependency-cruiser answered with text');
  return output;
}

function sourceFiles(): readonly string[] {
  const apart = new Set(['node_modules', 'dist', 'coverage', 'console', 'data', 'out']);
  return globSync('**/*.ts', { cwd: ROOT, exclude: (path) => apart.has(path) }).toSorted();
}

/** dependency-cruiser writes `fs` for `node:fs`. */
function withoutScheme(specifier: string): string {
  return specifier.replace(/^node:/, '');
}

/** The imports of a file as the compiler, not dependency-cruiser, reads them. */
async function importsOf(file: string): Promise<readonly string[]> {
  const text = await readFile(join(ROOT, file), 'utf8');
  return ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName);
}
