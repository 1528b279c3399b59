/** DIMSE entries that contradict each other: sources that are one, titles for nobody, proofs nobody could bring, shared ports. */
import { suggest } from '../core/suggestion.ts';
import { entriesAt, isMapping, listOf, names, type Report, valueAt } from './raw-values.ts';

const DIMSE = ['gateway', 'dimse'];
const SOURCES = [...DIMSE, 'sources'];
const TITLES = [...DIMSE, 'titles'];

export function reportDimse(raw: unknown, report: Report): void {
  reportAmbiguousSources(raw, report);
  reportTitles(raw, report);
  reportProofs(raw, report);
  reportEqualPorts(raw, report);
}

/** Two sources an association could come from: which one it is would depend on their order. */
function reportAmbiguousSources(raw: unknown, report: Report): void {
  const seen = new Map<string, string>();
  for (const { index, name, value } of entriesAt(raw, SOURCES)) {
    const { aeTitle, hosts, certificate, userIdentity } = value;
    const proof = JSON.stringify([certificate, userIdentity]);
    for (const host of listOf(hosts)) {
      const who = `${String(aeTitle).trim()} from ${String(host)}`;
      const other = seen.get(`${who} ${proof}`);
      if (other !== undefined && other !== name) report([...SOURCES, index], `${who} is already the source ${other}`);
      else if (name !== undefined) seen.set(`${who} ${proof}`, name);
    }
  }
}

function reportTitles(raw: unknown, report: Report): void {
  const sources = names(entriesAt(raw, SOURCES));
  const seen = new Set<string>();
  for (const { index, value } of entriesAt(raw, TITLES)) {
    const aeTitle = String(value['aeTitle']).trim();
    if (seen.has(aeTitle)) report([...TITLES, index, 'aeTitle'], `${aeTitle} is described above`);
    seen.add(aeTitle);
    for (const [n, name] of listOf(value['sources']).entries()) {
      if (typeof name !== 'string' || sources.includes(name)) continue;
      report([...TITLES, index, 'sources', n], `no such source: ${name}${suggest(name, sources)}`);
    }
  }
}

/** What only TLS brings. */
function reportProofs(raw: unknown, report: Report): void {
  const tls = valueAt(raw, [...DIMSE, 'tls']);
  const asksForCertificates = isMapping(tls) && tls['clientCertificates'] !== 'none';
  for (const { index, value } of entriesAt(raw, SOURCES)) {
    const at = [...SOURCES, index];
    if ('certificate' in value && !asksForCertificates) {
      const why = isMapping(tls) ? 'asks for no client certificates' : 'is not there';
      report([...at, 'certificate'], `nobody can show a certificate: gateway.dimse.tls ${why}`);
    }
    const { storageCommitment } = value;
    if (isMapping(storageCommitment) && storageCommitment['tls'] === true && !isMapping(tls)) {
      report([...at, 'storageCommitment', 'tls'], 'there is no certificate for it: gateway.dimse.tls is not there');
    }
  }
}

function reportEqualPorts(raw: unknown, report: Report): void {
  const dimse = valueAt(raw, [...DIMSE, 'port']) ?? 11_112;
  const tls = valueAt(raw, [...DIMSE, 'tls', 'port']);
  const http = valueAt(raw, ['gateway', 'http', 'port']) ?? 8080;
  // 0 is any free port.
  if (tls !== undefined && tls !== 0 && (tls === dimse || tls === http)) {
    report([...DIMSE, 'tls', 'port'], `TLS needs a port of its own; without this key gateway.dimse.port speaks TLS`);
  }
  if (dimse !== http || dimse === 0) return;
  const isDimseWritten = valueAt(raw, ['gateway', 'http', 'port']) === undefined;
  report(['gateway', isDimseWritten ? 'dimse' : 'http', 'port'], `DIMSE and HTTP cannot share a port`);
}
