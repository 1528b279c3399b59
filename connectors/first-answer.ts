/** The head of the answer to a request. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { HubError } from '../core/errors.ts';

/**
 * A peer that switches protocols though nobody asked it to is refused here: Node would close the connection and tell
 * nobody, neither of an answer nor of an error, and whoever waits for one would wait for ever.
 *
 * @throws what the request fails with; {HubError} `partner.refused` for an answer 101
 */
export async function firstAnswer(request: ClientRequest): Promise<IncomingMessage> {
  return await new Promise((answered, failed) => {
    request.once('response', answered);
    request.once('error', failed);
    request.once('upgrade', (_response, socket) => {
      socket.destroy();
      failed(new HubError('partner.refused', { detail: 'it switches to another protocol' }));
    });
  });
}
