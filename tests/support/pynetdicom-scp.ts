import { resolve } from 'node:path';
import { freePort, run, type RunningServer, startServer } from './child-process.ts';
import { pynetdicom } from './peers.ts';

const SCRIPT = resolve(import.meta.dirname, 'pynetdicom-scp.py');

export interface PynetdicomScp extends RunningServer {
  readonly port: number;
  readonly aeTitle: string;
  /** What it says: `association`, `stored` with instance, syntax and length of the pixels, `released`, `aborted`. */
  said(): readonly {
    readonly event: string;
    readonly instance?: string;
    readonly syntax?: string;
    readonly pixels?: number;
  }[];
}

/** @param pairs - transfer syntaxes by SOP class */
export async function startPynetdicomScp(pairs: Readonly<Record<string, readonly string[]>>): Promise<PynetdicomScp> {
  const python = await pynetdicom();
  const port = await freePort();
  const aeTitle = 'PYNET';
  const isThere = async () =>
    (await run({ path: 'bash', env: {} }, ['-c', `echo > /dev/tcp/127.0.0.1/${String(port)}`])).code === 0;
  const server = await startServer(python, [SCRIPT, String(port), aeTitle, JSON.stringify(pairs)], isThere);
  return {
    ...{ ...server, port, aeTitle },
    said: () =>
      server
        .log()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as ReturnType<PynetdicomScp['said']>[number]),
  };
}
