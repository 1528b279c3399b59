/** DCMTK's storescu in the role of the scanner: what was sent and what it was answered, by its own output. */
import { run } from './child-process.ts';
import { dcmtk } from './peers.ts';

export interface Sent {
  /** 0 when all was stored. */
  readonly code: number;
  /** Files that got Success. */
  readonly accepted: readonly string[];
  /** The answer to each file that was answered, as storescu words it: `Success`, `Error: CannotUnderstand`. */
  readonly answers: ReadonlyMap<string, string>;
  readonly output: string;
}

export interface SendOptions {
  readonly calling?: string;
  readonly called?: string;
  /** More of storescu's own arguments. */
  readonly args?: readonly string[];
  readonly timeoutMs?: number;
}

/** Sends files in one association, whatever becomes of it. */
export async function send(port: number, files: readonly string[], options: SendOptions = {}): Promise<Sent> {
  const tools = await dcmtk();
  const args = [
    '-v',
    '-aet',
    options.calling ?? 'PV7T',
    '-aec',
    options.called ?? 'HUB',
    '-nh',
    ...(options.args ?? []),
  ];
  const finished = await run(tools.command('storescu'), [...args, '127.0.0.1', String(port), ...files], {
    timeoutMs: options.timeoutMs ?? 30_000,
  });
  const output = finished.stdout + finished.stderr;
  const answers = answersIn(output);
  const accepted = [...answers].filter(([, answer]) => answer === 'Success').map(([file]) => file);
  return { code: finished.code, accepted, answers, output };
}

/** C-ECHO. */
export async function echo(port: number, options: SendOptions = {}): Promise<{ code: number; output: string }> {
  const tools = await dcmtk();
  const args = ['-v', '-aet', options.calling ?? 'PV7T', '-aec', options.called ?? 'HUB', '127.0.0.1', String(port)];
  const { code, stdout, stderr } = await run(tools.command('echoscu'), args);
  return { code, output: stdout + stderr };
}

/** Pairs each "Sending file" with the response that follows it; a file without one was not answered. */
function answersIn(output: string): ReadonlyMap<string, string> {
  const answers = new Map<string, string>();
  let file: string | undefined;
  for (const line of output.split('\n')) {
    const sending = /^I: Sending file: (.*)$/.exec(line)?.[1];
    if (sending !== undefined) file = sending;
    const answer = /^I: Received Store Response \((.*)\)$/.exec(line)?.[1];
    if (answer !== undefined && file !== undefined) {
      answers.set(file, answer);
      file = undefined;
    }
  }
  return answers;
}
