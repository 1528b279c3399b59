/** What a refused association means, and what to change on the scanner or here. Pure. */
import * as z from 'zod';
import { refusal } from '../api/shapes.ts';
import { count } from '../core/count.ts';
import { type Diagnosis, skipped, warning, wrong } from '../core/diagnosis.ts';
import { TLS_TO_PLAIN_PORT } from '../gateway/dimse/framing.ts';
import { TLS_FAILURES } from '../gateway/dimse/tls-failures.ts';
import { certificateOf, type Decide, type Source } from './doctor-policy.ts';

export type Refusal = z.output<typeof refusal>;
export const refusalList = z.object({ items: z.array(refusal) });

export interface Surroundings {
  readonly sources: readonly Source[];
  readonly aeTitles: readonly string[];
  readonly decide: Decide;
}

/** True when the caller may well have been this source: its title but for the case, or its address under nobody else's title. */
export function mayBe(
  source: Source,
  { address, callingAeTitle }: Refusal,
  { aeTitles, decide, sources }: Surroundings,
): boolean {
  if (isTitle(source, callingAeTitle)) return true;
  if (sources.some((other) => isTitle(other, callingAeTitle))) return false;
  const isAtHome = decide({ address, callingAeTitle: source.aeTitle, calledAeTitle: aeTitles[0] ?? '' });
  return isAtHome.accepted && isAtHome.source === source.name;
}

function isTitle({ aeTitle }: Source, callingAeTitle: string): boolean {
  return callingAeTitle.trim().toLowerCase() === aeTitle.trim().toLowerCase();
}

/** @param isOver - why nobody need do anything about it any more */
export function refusalOfSource(
  source: Source,
  refused: Refusal,
  number: number,
  isOver: string | undefined,
  surroundings: Surroundings,
): Diagnosis {
  const [why, remedy] = sentences(source, refused, surroundings);
  const what = attemptOf(refused);
  const id = `refusals.${String(number)}`;
  return isOver === undefined ? wrong(id, what, why, remedy) : skipped(id, what, `${why} ${isOver}`);
}

/** Somebody no source of the configuration is like. */
export function strangerRefused(refused: Refusal): Diagnosis {
  const { callingAeTitle, calledAeTitle, address, count: times, lastAt } = refused;
  const [why, remedy] = beforeTitles(refused) ?? [];
  if (why !== undefined && remedy !== undefined)
    return warning('refusals', attemptOf(refused), `${why} No source of the configuration has this address.`, remedy);
  return warning(
    'refusals',
    `'${callingAeTitle}' at ${address} called '${calledAeTitle}' and was refused ${count(times, 'time')}, last at ${lastAt}`,
    'No source of the configuration has this AE title or this address.',
    isAeTitle(callingAeTitle)
      ? `If it is a scanner of yours, add it to gateway.dimse.sources: { name: …, aeTitle: ${callingAeTitle}, hosts: [${address}] }, and run "hub reload". If not, find out whose it is.`
      : `Find out what is at ${address}: no scanner has such an AE title.`,
  );
}

function attemptOf(refused: Refusal): string {
  const { callingAeTitle, calledAeTitle, address, lastAt, why } = refused;
  const times = count(refused.count, 'time');
  return beforeTitles(refused) === undefined
    ? `'${callingAeTitle}' at ${address} called '${calledAeTitle}' and was refused ${times}, last at ${lastAt}`
    : `Somebody at ${address} could not begin an association ${times}, last at ${lastAt} (${why})`;
}

/** Of who did not come so far as to say its AE title. */
function beforeTitles({ why }: Refusal): readonly [why: string, remedy: string] | undefined {
  switch (why) {
    case TLS_TO_PLAIN_PORT:
      return [
        'The scanner speaks TLS, and this port of the hub does not.',
        'On the scanner set the TLS port of the hub (gateway.dimse.tls.port), or switch TLS off there.',
      ];
    case TLS_FAILURES.plain:
      return [
        'The scanner speaks without TLS to the TLS port of the hub.',
        'On the scanner switch TLS on for this archive, or set the plain port of the hub if it has one.',
      ];
    case TLS_FAILURES.noCertificate:
      return [
        'The scanner shows no client certificate, and the hub asks everybody for one.',
        'On the scanner choose a client certificate for this archive, or set gateway.dimse.tls.clientCertificates: optional and restart the hub.',
      ];
    case TLS_FAILURES.untrusted:
      return [
        "The scanner's client certificate is signed by nobody whom gateway.dimse.tls.ca names, or those between it and its authority are not sent along.",
        'Have it signed by an authority of ca, or add its authority to the file of ca: a running hub takes that by itself. On the scanner install the whole chain.',
      ];
    case TLS_FAILURES.expired:
      return [
        "The scanner's client certificate has expired.",
        'Renew it on the scanner. If it is valid still, set the clock of this machine.',
      ];
    case TLS_FAILURES.notYetValid:
      return ["The scanner's client certificate is not valid yet.", 'Set the clock of this machine, best by NTP.'];
    case TLS_FAILURES.revoked:
      return [
        "The scanner's client certificate stands in the revocation list of gateway.dimse.tls.crl.",
        'Give the scanner another certificate, and find out why this one was revoked.',
      ];
    case TLS_FAILURES.noRevocationList:
      return [
        'A revocation list of gateway.dimse.tls.crl is missing, past its next update, or not signed by its authority: the hub lets nobody in who shows a certificate.',
        'Put fresh lists of all authorities into the file of crl: a running hub takes them by itself. "openssl crl -noout -nextupdate -in FILE" says until when one is good.',
      ];
    case TLS_FAILURES.nothingCommon:
      return [
        'The scanner offers no TLS version or cipher that the hub takes: TLS 1.2 with ECDHE and AES-GCM, or TLS 1.3.',
        'On the scanner choose the BCP 195 profile. One that knows only older ones has to use the plain port, over a network that is protected in another way.',
      ];
    case TLS_FAILURES.hubUntrusted:
      return [
        "The scanner does not trust the hub's certificate.",
        'On the scanner install the authority that signed gateway.dimse.tls.certificate, and see that the host it calls stands in that certificate.',
      ];
    case TLS_FAILURES.other:
      return [
        'The TLS handshake failed.',
        'The log of the hub says "TLS handshake failed" with the code of the reason.',
      ];
    default:
      return undefined;
  }
}

/** What may stand in the configuration; a caller may send anything. */
function isAeTitle(text: string): boolean {
  return /^[\x20-\x5b\x5d-\x7e]{1,16}$/.test(text);
}

function sentences(
  source: Source,
  refused: Refusal,
  { aeTitles, decide }: Surroundings,
): readonly [why: string, remedy: string] {
  const { address, callingAeTitle, calledAeTitle, why } = refused;
  const earlier = beforeTitles(refused);
  if (earlier !== undefined) return earlier;
  const titles = aeTitles.join(' or ');
  switch (why) {
    case 'called AE title':
      return [
        `The scanner calls the hub '${calledAeTitle}', but the hub answers to ${titles} (case matters).`,
        `On the scanner set: AE title of the archive = ${titles}.${isAeTitle(calledAeTitle) ? ` Or add ${calledAeTitle} to gateway.dimse.aeTitle and restart the hub.` : ''}`,
      ];
    case 'calling AE title': {
      const [called = ''] = aeTitles;
      const isTitleKnown = callingAeTitle === source.aeTitle;
      const asConfigured = decide({ address, callingAeTitle: source.aeTitle, calledAeTitle: called });
      const isAddressKnown = asConfigured.accepted && asConfigured.source === source.name;
      if (isTitleKnown && !isAddressKnown) {
        return [
          `Your scanner called us as '${callingAeTitle}' from ${address}, which is not in hosts of source ${source.name} (${source.hosts.join(', ')}).`,
          `Add ${address} to hosts of source ${source.name} and run "hub reload", or change the scanner's address.`,
        ];
      }
      if (isAddressKnown && !isTitleKnown) {
        return [
          `The address fits source ${source.name}, but the scanner calls itself '${callingAeTitle}' and not '${source.aeTitle}' (case matters).`,
          `On the scanner set: its own AE title = ${source.aeTitle}.${isAeTitle(callingAeTitle) ? ` Or write aeTitle: ${callingAeTitle} for source ${source.name} and run "hub reload".` : ''}`,
        ];
      }
      if (isTitleKnown) {
        return [
          'Title and address fit now: the configuration was changed since.',
          'If the configuration was changed run "hub reload", and send again from the scanner.',
        ];
      }
      return [
        `The scanner calls itself '${callingAeTitle}' at ${address}; source ${source.name} is '${source.aeTitle}' at ${source.hosts.join(', ')}.`,
        `On the scanner set: its own AE title = ${source.aeTitle}; and add ${address} to hosts of source ${source.name}, if that is the scanner, and run "hub reload".`,
      ];
    }
    case 'client certificate':
      return [
        `Title and address are those of source ${source.name}, but not the client certificate: over TLS it must show ${certificateOf(source)}.`,
        'On the scanner choose that certificate and the TLS port. Or correct certificate of this source and run "hub reload"; "openssl x509 -noout -subject -fingerprint -sha256 -in FILE" shows both of a certificate.',
      ];
    case 'called AE title of other sources':
      return [
        `The scanner calls the hub '${calledAeTitle}', which other sources may call, and ${source.name} may not.`,
        `On the scanner set: AE title of the archive = ${titles}. Or add ${source.name} to sources of this title under gateway.dimse.titles and restart the hub.`,
      ];
    case 'user identity':
      return [
        'The source must prove who it is by a user name and password, and did not.',
        'Set user name and password on the scanner as userIdentity of this source wants them.',
      ];
    case 'disk low':
      return ["The hub's disk was low.", 'Free space: see disk in "hub doctor".'];
    case 'stopping':
      return ['The hub was stopping just then.', 'Send again from the scanner.'];
    case 'too many associations':
    case 'too many associations of the source':
    case 'too many associations from the address':
      return [
        `There were ${why}.`,
        'Scanners try again by themselves. If it lasts, raise gateway.dimse.maxAssociations, or find out who keeps associations open.',
      ];
    default:
      return [
        `The hub's reason: ${why}.`,
        'What called is broken or does not speak DICOM as PS3.8 says: check what is at that address.',
      ];
  }
}
