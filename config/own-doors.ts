/** Ways by which what the hub gives away, or fetches, would be what it has: destinations and pulls that lead to its own doors. */
import { hostname, networkInterfaces } from 'node:os';
import { entriesAt, type Report, valueAt } from './raw-values.ts';

interface Door {
  /** That it listens on. */
  readonly host: string;
  /** 0: none, or one that nobody knows yet. */
  readonly port: number;
}

const ANY = ['0.0.0.0', '::'];

export function reportOwnDoors(raw: unknown, report: Report): void {
  const host = (section: string, absent: string) => textAt(raw, ['gateway', section, 'host']) ?? absent;
  const port = (...path: readonly string[]) => numberAt(raw, ['gateway', ...path]);
  const dimse = [
    { host: host('dimse', '0.0.0.0'), port: port('dimse', 'port') ?? 11112 },
    { host: host('dimse', '0.0.0.0'), port: port('dimse', 'tls', 'port') ?? 0 },
  ];
  const http = [{ host: host('http', '127.0.0.1'), port: port('http', 'port') ?? 8080 }];

  for (const { index, value } of entriesAt(raw, ['destinations'])) {
    const at = ['destinations', index];
    const what = 'what is delivered there would come in again, and be routed again';
    if (value['type'] === 'c-store' && leadsTo(value, dimse)) report([...at, 'port'], `the hub's own door: ${what}`);
    if (value['type'] === 'stow-rs' && leadsTo(placeOf(value['url']), http))
      report([...at, 'url'], `the hub's own door: ${what}`);
  }
  for (const { index, value } of entriesAt(raw, ['pulls'])) {
    const at = ['pulls', index, 'from'];
    const dicom = valueAt(value, ['from', 'dicom']);
    const url = valueAt(value, ['from', 'dicomweb', 'url']);
    if (leadsTo(dicom, dimse)) report([...at, 'dicom', 'port'], "the hub's own door: it would fetch what it has");
    if (leadsTo(placeOf(url), http))
      report([...at, 'dicomweb', 'url'], "the hub's own door: it would fetch what it has");
  }
}

function textAt(raw: unknown, path: readonly string[]): string | undefined {
  const value = valueAt(raw, path);
  return typeof value === 'string' ? value : undefined;
}

function numberAt(raw: unknown, path: readonly string[]): number | undefined {
  const value = valueAt(raw, path);
  return typeof value === 'number' ? value : undefined;
}

function placeOf(url: unknown): unknown {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined;
  const { protocol, hostname: host, port } = new URL(url);
  // The hub itself speaks no TLS: who says https means what stands before another server.
  return protocol === 'http:'
    ? { host: host.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port) }
    : undefined;
}

function leadsTo(place: unknown, doors: readonly Door[]): boolean {
  const host = valueAt(place, ['host']);
  const port = valueAt(place, ['port']);
  if (typeof host !== 'string') return false;
  return doors.some((door) => door.port !== 0 && door.port === port && isAt(host.toLowerCase(), door.host));
}

/** Whether a connection to `host`, from here, meets who listens on `listens`. */
function isAt(host: string, listens: string): boolean {
  if (isLoopback(host)) return ANY.includes(listens) || isLoopback(listens);
  if (host === listens) return true;
  if (!ANY.includes(listens)) return false;
  const own = Object.values(networkInterfaces()).flatMap((each = []) => each.map(({ address }) => address));
  return host === hostname().toLowerCase() || own.includes(host);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.') || ANY.includes(host);
}
