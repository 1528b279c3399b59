/** QIDO-RS user agent (PS3.18 Section 10.6): one search, its answer bounded and read as plain values. */
import { HubError } from '../../core/errors.ts';
import { get, type WebOrigin } from './get.ts';

/** A match as DICOM JSON (PS3.18 Annex F). */
export interface WebMatch {
  /** The values of an attribute, by its tag in eight hexadecimal digits; numbers and texts as texts. */
  values(tag: string): readonly string[];
}

/** A study-level answer is a few hundred bytes a match. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/**
 * @param path - below the service's URL, with its query
 * @throws {HubError} `partner.unreachable`, `partner.timeout` when the signal ended it, `partner.refused`, `partner.busy`
 */
export async function qido(origin: WebOrigin, path: string, signal: AbortSignal): Promise<readonly WebMatch[]> {
  try {
    const response = await get(origin, path, 'application/dicom+json', signal);
    const { statusCode: status = 0 } = response;
    if (status === 204) {
      response.resume();
      return [];
    }
    if (status < 200 || status >= 300) {
      response.destroy();
      throw refusalOf(status);
    }
    return matchesOf(JSON.parse(await boundedText(response)));
  } catch (error) {
    throw webFailure(error, signal, 'no answer to a query');
  }
}

/** What a status that is no success means. */
export function refusalOf(status: number): HubError {
  return new HubError(status === 429 || status >= 500 ? 'partner.busy' : 'partner.refused', { status });
}

/** What went wrong with an exchange, by its code. */
export function webFailure(error: unknown, signal: AbortSignal, late: string): HubError {
  if (error instanceof HubError) return error;
  if (signal.aborted) return new HubError('partner.timeout', { detail: late }, error);
  if (error instanceof SyntaxError) return new HubError('partner.refused', { detail: 'no DICOM JSON' }, error);
  const reason = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return new HubError('partner.unreachable', reason === undefined ? {} : { reason }, error);
}

async function boundedText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new HubError('partner.refused', { detail: 'an answer without end' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** `[{ "00201208": { "vr": "IS", "Value": [12] } }]`; some write the number as text. */
function matchesOf(answer: unknown): readonly WebMatch[] {
  if (!Array.isArray(answer)) throw new HubError('partner.refused', { detail: 'no DICOM JSON' });
  return answer.map((match: unknown) => ({
    values: (tag) => {
      const element = isMapping(match) ? match[tag] : undefined;
      const values = isMapping(element) ? element['Value'] : undefined;
      return Array.isArray(values)
        ? values.flatMap((value) => (typeof value === 'string' || typeof value === 'number' ? [String(value)] : []))
        : [];
    },
  }));
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
