/** URL of the DICOMweb root as the client knows it: what every link and reference in an answer begins with. */
import type { Request } from 'express';

const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
const DEFAULT_PORTS: readonly (number | undefined)[] = [80, 443, undefined];

/**
 * The host that was asked, by the Host header, or by what a proxy before the hub says of it. A proxy may rightly have no
 * port in it; a client that reached the hub itself without one (Python's dicomweb-client does) gets the hub's own.
 */
export function rootUrl(request: Request): string {
  const { headers, socket, baseUrl } = request;
  const forwarded = first(headers['x-forwarded-host']);
  const host = [forwarded, headers.host].find((one) => one !== undefined && HOST.test(one)) ?? 'localhost';
  const scheme = first(headers['x-forwarded-proto']) === 'https' ? 'https' : request.protocol;
  const isDirect = !Object.keys(headers).some((name) => /^(?:forwarded|via|x-forwarded-.*|x-real-ip)$/.test(name));
  const lacksPort = !/:\d+$/.test(host) && isDirect && !DEFAULT_PORTS.includes(socket.localPort);
  return `${scheme}://${host}${lacksPort ? `:${String(socket.localPort)}` : ''}${baseUrl}`;
}

function first(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value.split(',', 1)[0]?.trim() : value?.[0];
}
