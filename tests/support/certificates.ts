/** Certificates for tests, made by openssl: an authority of our own, and what it signs. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './child-process.ts';
import { openssl } from './peers.ts';

export interface Certificate {
  /** Files with PEM. */
  readonly certificate: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /**
   * @param subject - as openssl wants it: `/O=Hospital/CN=mr-1`
   * @param options - `days` from now, -1 is over already; `names` as openssl's subjectAltName
   */
  sign(
    name: string,
    subject: string,
    options?: { readonly days?: number; readonly names?: string },
  ): Promise<Certificate>;
  /** A list of what was revoked. @param isOver - its next update should have come long ago @returns the file */
  revoke(revoked: readonly Certificate[], isOver?: boolean): Promise<string>;
}

/**
 * An authority whose files, and those of what it signs, lie in `folder`.
 *
 * @param names - as openssl's subjectAltName, for one that is a server too
 */
export async function makeAuthority(folder: string, name = 'ca', names?: string): Promise<Authority> {
  const tool = (await openssl()).command('openssl');
  const must = async (...args: readonly string[]) => {
    const { code, stderr } = await run(tool, args);
    if (code !== 0) throw new Error(`openssl ${args[0] ?? ''} ended with ${code}: ${stderr}`);
  };
  const files = (of: string) => ({ certificate: join(folder, `${of}.crt`), key: join(folder, `${of}.key`) });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const own = files(name);
  await must(
    'req',
    '-x509',
    ...newKey,
    ...['-keyout', own.key, '-out', own.certificate, '-days', '2', '-subj', `/O=Hospital/CN=${name}`],
    ...(names === undefined ? [] : ['-addext', `subjectAltName=${names}`]),
  );
  return {
    ...own,
    sign: async (of, subject, { days = 2, names = 'IP:127.0.0.1,DNS:localhost' } = {}) => {
      const made = files(of);
      const [request, extensions] = [join(folder, `${of}.csr`), join(folder, `${of}.ext`)];
      await writeFile(extensions, `subjectAltName=${names}\n`);
      await must('req', ...newKey, '-keyout', made.key, '-out', request, '-subj', subject);
      await must(
        ...['x509', '-req', '-in', request, '-CA', own.certificate, '-CAkey', own.key, '-CAcreateserial'],
        ...['-days', String(days), '-extfile', extensions, '-out', made.certificate],
      );
      return made;
    },
    revoke: async (revoked, isOver = false) => {
      const [settings, index, list] = ['ca.cnf', 'index.txt', `${name}.crl`].map((file) => join(folder, file));
      if (settings === undefined || index === undefined || list === undefined) throw new Error('three files');
      await writeFile(index, '');
      await writeFile(
        settings,
        `[ca]\ndefault_ca = own\n[own]\ndatabase = ${index}\ncertificate = ${own.certificate}\nprivate_key = ${own.key}\ndefault_md = sha256\n`,
      );
      const over = ['-crl_lastupdate', '20200101000000Z', '-crl_nextupdate', '20200102000000Z'];
      const until = isOver ? over : ['-crldays', '1'];
      for (const { certificate } of revoked) await must('ca', '-config', settings, '-revoke', certificate);
      await must('ca', '-config', settings, '-gencrl', '-out', list, ...until);
      return list;
    },
  };
}
