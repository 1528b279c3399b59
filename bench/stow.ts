/**
 * How fast instances become durable by STOW-RS: the hub beside Orthanc's DICOMweb plug-in, the same requests from the
 * same HTTP client, 10 instances a request.
 *
 *   npm run bench -- stow [--images 2000] [--rounds 5] [--clients 1,8] [--instances 10] [--pixels 256]
 */
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { imagesOf } from './images.ts';
import { cpuSeconds } from './process-cost.ts';
import { type Receiver, startDefaultOrthanc, startHub } from './receivers.ts';
import { interleaved, ratioText, reportRatios } from './rounds.ts';

const BOUNDARY = 'bench-boundary-7f3a';
const FAILED_SOP_SEQUENCE = '00081198';

export async function benchStow(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      images: { type: 'string', default: '2000' },
      rounds: { type: 'string', default: '5' },
      clients: { type: 'string', default: '1,8' },
      instances: { type: 'string', default: '10' },
      pixels: { type: 'string', default: '256' },
    },
  });
  const images = Number(values.images);
  const receivers = [await startHub(), await startDefaultOrthanc(true)];
  try {
    for (const clients of values.clients.split(',').map(Number)) {
      const cpu = new Map<string, number[]>(receivers.map(({ name }) => [name, []]));
      let bodies: readonly Buffer[] = [];
      const rates = await interleaved(
        receivers,
        Number(values.rounds),
        () => {
          bodies = [...requestBodies(images, Number(values.instances), Number(values.pixels))];
          return Promise.resolve();
        },
        async (receiver) => {
          const before = cpuSeconds(receiver.pid);
          const seconds = await postAll(bodies, clients, receiver);
          cpu.get(receiver.name)?.push(cpuSeconds(receiver.pid) - before);
          return images / seconds;
        },
      );
      reportRatios(
        `${String(clients)} client(s), ${values.instances} instances a request, ${values.images} instances`,
        rates,
        ['Orthanc'],
      );
      console.log(
        `  processor time of the hub: ${ratioText(cpu.get('hub') ?? [], cpu.get('Orthanc') ?? [])} × Orthanc`,
      );
    }
  } finally {
    for (const receiver of receivers) await receiver.stop();
  }
}

/** Made before the time is taken: the client must not be what is measured. */
function* requestBodies(images: number, instances: number, pixels: number): Generator<Buffer> {
  const head = Buffer.from(`\r\n--${BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n`);
  const end = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);
  let parts: Uint8Array[] = [];
  for (const file of imagesOf({ images, pixels, frames: 1 })) {
    parts.push(head, file);
    if (parts.length < instances * 2) continue;
    yield Buffer.concat([...parts, end]);
    parts = [];
  }
  if (parts.length > 0) yield Buffer.concat([...parts, end]);
}

/** @returns seconds until the last answer */
async function postAll(bodies: readonly Buffer[], clients: number, receiver: Receiver): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  let next = 0;
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) await post(body, agent, receiver);
    }),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  agent.destroy();
  return seconds;
}

async function post(body: Buffer, agent: Agent, { name, dicomWeb }: Receiver): Promise<void> {
  if (dicomWeb === undefined) throw new Error(`${name} has no DICOMweb`);
  const answer = await new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
    const sent = request(
      `${dicomWeb.url}/studies`,
      {
        method: 'POST',
        agent,
        headers: {
          ...dicomWeb.headers,
          'Content-Type': `multipart/related; type="application/dicom"; boundary=${BOUNDARY}`,
          'Content-Length': body.length,
          Accept: 'application/dicom+json',
        },
      },
      (response) => {
        const said: Buffer[] = [];
        response.on('data', (chunk: Buffer) => said.push(chunk));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(said).toString() }));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
  if (answer.status !== 200 || hasFailures(answer.text)) {
    throw new Error(`${name} did not take everything: ${String(answer.status)} ${answer.text.slice(0, 500)}`);
  }
}

/** Orthanc answers with a sequence of no items where the hub leaves it out. */
function hasFailures(text: string): boolean {
  const answer = JSON.parse(text) as Readonly<Record<string, { readonly Value?: readonly unknown[] } | undefined>>;
  return (answer[FAILED_SOP_SEQUENCE]?.Value?.length ?? 0) > 0;
}
