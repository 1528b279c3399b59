/** One GET of an origin server, its answer read as it comes. */
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { HubError } from '../../core/errors.ts';
import { type TlsIdentity, tlsOptions } from '../tls-identity.ts';

/** An origin server, and how the hub says who it is. */
export interface WebOrigin {
  /** Of the service, without `/studies`. */
  readonly url: string;
  /** Asked for each request, so that a secret may change. */
  readonly authorization?: (() => string) | undefined;
  /** Asked for each request: certificates are renewed. */
  readonly tls?: (() => TlsIdentity) | undefined;
}

/**
 * Resolves with the head of the answer; its body is the caller's to read to the end, or to destroy. Redirects are not
 * followed: who they lead to would get our credentials.
 *
 * @param path - below the service's URL, with its query
 * @throws {HubError} `config.invalid` when a secret cannot be had, `partner.unreachable` for a redirect; what Node says of the connection
 */
export async function get(
  origin: WebOrigin,
  path: string,
  accept: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { authorization, tls } = origin;
  const url = new URL(`${origin.url.replace(/\/+$/, '')}${path}`);
  const options = {
    headers: {
      Accept: accept,
      // Whoever compresses a study to send it takes longer than the network does.
      'Accept-Encoding': 'identity',
      ...(authorization === undefined ? {} : { Authorization: authorization() }),
    },
    signal,
    ...(tls === undefined ? {} : tlsOptions(tls())),
  };
  const response = await answerTo(url, options);
  const { statusCode: status = 0 } = response;
  if (status < 300 || status >= 400) return response;
  response.destroy();
  throw new HubError('partner.unreachable', { status, detail: 'redirects are not followed: configure the final URL' });
}

/** On a connection that was kept, if there is one: the server may have closed it just then, which says nothing of the server. */
async function answerTo(url: URL, options: Parameters<typeof requestHttps>[1] & object): Promise<IncomingMessage> {
  for (;;) {
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, options);
    try {
      return await new Promise<IncomingMessage>((resolve, reject) => {
        request.once('response', resolve);
        request.on('error', reject);
        request.end();
      });
    } catch (error) {
      const isStale = request.reusedSocket && error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
      if (!isStale) throw error;
    }
  }
}
