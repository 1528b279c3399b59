/**
 * A partner's client in TypeScript, of Node alone: subscribes with a webhook, verifies signatures, reads the feed page by
 * page, goes on where it stood, and fetches released studies by WADO-RS.
 *
 *   node partner-client.ts HUB_URL TOKEN STATE_FILE
 *
 * Prints a line of JSON for each thing it did. Its types say what the hub's OpenAPI document says.
 */
import { createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

export interface CloudEvent {
  readonly id: string;
  readonly type: string;
  readonly subject?: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventPage {
  readonly events: readonly CloudEvent[];
  readonly cursor: string;
  readonly hasMore: boolean;
}

export interface Account {
  readonly partner: string;
  readonly hub: string;
  readonly token: { readonly tokenId: string; readonly scopes: readonly string[] };
}

export interface Webhook {
  readonly webhookId: string;
  readonly url: string;
  readonly state: 'enabled' | 'disabled';
  readonly keys: readonly { readonly publicKey: string }[];
}

export interface CreatedWebhook extends Webhook {
  readonly secret: string;
}

/** As webhooks bring them. */
export interface SignatureHeaders {
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
}

const PAGE = 2;
/** Standard Webhooks: older ones may be replayed by somebody who listened. */
const TOLERANCE_SECONDS = 300;
/** RFC 8410: what stands before the 32 bytes of a public Ed25519 key in DER. */
const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export class PartnerClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = `${url}/partner/v1`;
    this.#token = token;
  }

  account(): Promise<Account> {
    return this.#json('GET', '/account');
  }

  /** @param after - the cursor of the page before; absent: from the beginning */
  events(after?: string): Promise<EventPage> {
    const place = after === undefined ? '' : `&after=${encodeURIComponent(after)}`;
    return this.#json('GET', `/events?limit=${String(PAGE)}${place}`);
  }

  subscribe(url: string): Promise<CreatedWebhook> {
    return this.#json('POST', '/webhooks', { url });
  }

  test(webhookId: string): Promise<{ readonly messageId: string }> {
    return this.#json('POST', `/webhooks/${webhookId}/test`);
  }

  async unsubscribe(webhookId: string): Promise<void> {
    await this.#json('DELETE', `/webhooks/${webhookId}`);
  }

  /** Part 10 files of a released study, one at a time. */
  async *retrieve(study: string): AsyncGenerator<Uint8Array> {
    const instances: readonly Readonly<Record<string, { readonly Value?: readonly unknown[] } | undefined>>[] =
      await this.#json('GET', `/studies/${study}/metadata`);
    const uidOf = (instance: (typeof instances)[number], tag: string) => String(instance[tag]?.Value?.[0]);
    for (const instance of instances) {
      // Series Instance UID (0020,000E), SOP Instance UID (0008,0018)
      const path = `/studies/${study}/series/${uidOf(instance, '0020000E')}/instances/${uidOf(instance, '00080018')}`;
      const response = await this.#ask('GET', path, { Accept: 'application/dicom; transfer-syntax=*' });
      yield new Uint8Array(await response.arrayBuffer());
    }
  }

  async #json<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await this.#ask(method, path, { 'Content-Type': 'application/json' }, body);
    return (await response.json()) as Answer;
  }

  async #ask(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body?: unknown,
  ): Promise<Response> {
    for (;;) {
      const response = await fetch(this.#url + path, {
        method,
        headers: { ...headers, Authorization: `Bearer ${this.#token}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      if (response.ok) return response;
      // Too many at once: the hub says when to come back.
      if (response.status !== 429)
        throw new Error(`${method} ${path}: ${String(response.status)} ${await response.text()}`);
      const seconds = Number(response.headers.get('retry-after') ?? '1');
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
}

/**
 * Whether a webhook's message is the hub's and fresh. One good signature is enough: while keys are changed there are more.
 *
 * @param keys - `whsec_…` secrets and `whpk_…` public keys
 * @param body - as it came, byte for byte
 */
export function isGenuine(
  keys: readonly string[],
  { id, timestamp, signature }: SignatureHeaders,
  body: string,
  nowSeconds = Date.now() / 1000,
): boolean {
  if (!(Math.abs(nowSeconds - Number(timestamp)) <= TOLERANCE_SECONDS)) return false;
  const content = Buffer.from(`${id}.${timestamp}.${body}`);
  return signature.split(' ').some((each) => {
    const [version, encoded = ''] = each.split(',');
    const given = Buffer.from(encoded, 'base64');
    return keys.some((key) => {
      const bytes = Buffer.from(key.slice(key.indexOf('_') + 1), 'base64');
      if (version === 'v1' && key.startsWith('whsec_')) {
        const expected = createHmac('sha256', bytes).update(content).digest();
        return expected.byteLength === given.byteLength && timingSafeEqual(expected, given);
      }
      if (version === 'v1a' && key.startsWith('whpk_')) {
        const der = Buffer.concat([ED25519_PREFIX, bytes]);
        return verify(null, content, createPublicKey({ key: der, format: 'der', type: 'spki' }), given);
      }
      return false;
    });
  });
}

/** Waits for one message that `isGenuine` for a new webhook. */
async function oneGenuineMessage(client: PartnerClient): Promise<Record<string, unknown>> {
  let created: CreatedWebhook | undefined;
  let done: (answer: Record<string, unknown>) => void;
  const message = new Promise<Record<string, unknown>>((resolve) => (done = resolve));
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      const header = (name: string) => String(request.headers[`webhook-${name}`]);
      const headers = { id: header('id'), timestamp: header('timestamp'), signature: header('signature') };
      const { secret = '', keys = [] } = created ?? {};
      const bySecret = isGenuine([secret], headers, body);
      const byPublicKey = isGenuine(
        keys.map(({ publicKey }) => publicKey),
        headers,
        body,
      );
      // Taken before it is worked on; what is not believed is refused.
      response.writeHead(bySecret ? 204 : 401).end();
      const { type } = JSON.parse(body) as { type: string };
      done({ webhook: type, bySecret, byPublicKey, forged: isGenuine([secret], headers, `${body} `) });
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  try {
    created = await client.subscribe(`http://127.0.0.1:${String(address.port)}/hook`);
    await client.test(created.webhookId);
    return await message;
  } finally {
    if (created !== undefined) await client.unsubscribe(created.webhookId);
    server.closeAllConnections();
    server.close();
  }
}

async function main([url = '', token = '', stateFile = '']: readonly string[]): Promise<void> {
  const client = new PartnerClient(url, token);
  const print = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`);
  print({ partner: (await client.account()).partner });
  print(await oneGenuineMessage(client));

  let cursor = readCursor(stateFile);
  for (;;) {
    const page = await client.events(cursor);
    for (const event of page.events) {
      print({ event: event.type, study: event.subject });
      if (event.type !== 'hub.study.processed.v1' || event.subject === undefined) continue;
      let [files, bytes] = [0, 0];
      for await (const file of client.retrieve(event.subject)) {
        // PS3.10 Section 7.1: a preamble of 128 bytes, and then DICM.
        if (Buffer.from(file.subarray(128, 132)).toString() !== 'DICM') throw new Error('not a Part 10 file');
        files += 1;
        bytes += file.byteLength;
      }
      print({ retrieved: event.subject, files, bytes });
    }
    // Only now: what is not worked off is read again after a crash, and seen by its id.
    cursor = page.cursor;
    writeFileSync(stateFile, cursor);
    if (!page.hasMore) break;
  }
}

function readCursor(stateFile: string): string | undefined {
  try {
    return readFileSync(stateFile, 'utf8');
  } catch {
    // The first time.
    return undefined;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
