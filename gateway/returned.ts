/** What partners return: whose names it is filed under, and who may return anything at all. */
import { HubError } from '../core/errors.ts';
import type { FileNames } from './filing.ts';
import type { Reception } from './spool/reception.ts';

export interface ReturnedOptions {
  /** The partner that a source is bound to. */
  readonly partnerOf: (source: string) => string | undefined;
  /** The source of what the partner returns over HTTP; undefined: it may not. */
  readonly sourceOf: (partner: string) => string | undefined;
  readonly fileName: (partner: string, uid: string) => string;
}

/** A source that is bound to a partner is filed under that partner's names; any other under its own: undefined. */
export function namesOfSource(returned: ReturnedOptions | undefined, source: string): FileNames | undefined {
  const partner = returned?.partnerOf(source);
  return returned === undefined || partner === undefined ? undefined : (uid) => returned.fileName(partner, uid);
}

/**
 * By whatever door it comes, on an association that is open too: access ends while it is.
 *
 * @param hasAccess - absent: every partner has
 * @throws {HubError} `source.not-allowed`; nothing of the object is kept
 */
export async function requireAccess(
  reception: Reception,
  partner: string | undefined,
  hasAccess: (partner: string) => Promise<boolean> = () => Promise.resolve(true),
): Promise<void> {
  if (partner === undefined) return;
  try {
    if (await hasAccess(partner)) return;
  } catch (error) {
    await reception.abandon();
    throw error;
  }
  await reception.abandon();
  throw new HubError('source.not-allowed', { detail: 'the access of this partner has ended' });
}
