import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import ts from 'typescript';

const ROOT = join(import.meta.dirname, '../../..');
const SCRIPTS = join(ROOT, 'platform/ledger/sql');
const GENERATORS = /^(?:Generator|Iterable|Script|Step)\b/;

describe('the scripts of the ledger', function () {
  this.timeout(120_000);

  it('leave out no `yield*`: a call without it does nothing, and says nothing', () => {
    const files = readdirSync(SCRIPTS).map((name) => join(SCRIPTS, name));

    expect(floating(files)).to.deep.equal({ calls: true, found: [] });
  });

  it('would be found without it', () => {
    const planted = join(SCRIPTS, 'planted.ts');
    const text = `import type { Database, Script } from './script.ts';
      export function* forgets(db: Database): Script<void> {
        db.lock('a');
        const kept = db.query('SELECT 1').run();
        yield* db.lock('b');
        void kept;
        void db.lock('c');
        yield db.lock('d') as never;
      }`;

    expect(floating([planted], new Map([[planted, text]])).found).to.deep.equal([
      'planted.ts:3',
      'planted.ts:4',
      'planted.ts:7',
      'planted.ts:8',
    ]);
  });
});

/** Calls that make a script and neither run it, with `yield*`, nor hand it on, as the result of an arrow function or `return`. */
function floating(files: readonly string[], planted: ReadonlyMap<string, string> = new Map()) {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (name) => ts.sys.readFile(name)) as {
    readonly config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config, { ...ts.sys, readDirectory: () => [] }, ROOT);
  const host = ts.createCompilerHost(options);
  const read = host.readFile.bind(host);
  host.readFile = (name) => planted.get(name) ?? read(name);
  const exists = host.fileExists.bind(host);
  host.fileExists = (name) => planted.has(name) || exists(name);
  const program = ts.createProgram(files, options, host);
  const checker = program.getTypeChecker();
  const found: string[] = [];
  let calls = 0;
  const visit = (node: ts.Node, file: ts.SourceFile): void => {
    if (ts.isCallExpression(node) && GENERATORS.test(checker.typeToString(checker.getTypeAtLocation(node)))) {
      calls += 1;
      if (!isUsed(node)) {
        const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
        found.push(`${file.fileName.slice(SCRIPTS.length + 1)}:${String(line)}`);
      }
    }
    ts.forEachChild(node, (child) => visit(child, file));
  };
  for (const name of files) {
    const file = program.getSourceFile(name);
    if (file !== undefined) visit(file, file);
  }
  return { calls: calls > 100, found };
}

function isUsed({ parent }: ts.Node): boolean {
  return (
    (ts.isYieldExpression(parent) && parent.asteriskToken !== undefined) ||
    ts.isArrowFunction(parent) ||
    ts.isReturnStatement(parent)
  );
}
