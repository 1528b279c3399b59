/** What a port speaks that does not speak what it should: the usual mistakes are a wrong port and TLS on one side only. */
import { failureCode, open, type Target } from './reach.ts';
import { shakeHands } from './tls.ts';

const HTTP_ANSWER = /^HTTP\/\d/;

/** Tries a TLS handshake. */
export async function speaksTls(target: Target): Promise<boolean> {
  return await shakeHands(target, { serverName: target.host }).then(
    () => true,
    (error: unknown) => {
      failureCode(error); // What is no failure of the network is thrown on.
      return false;
    },
  );
}

/** Asks for nothing in particular, and sees whether the answer looks like HTTP. */
export async function speaksHttp(target: Target): Promise<boolean> {
  const socket = await open(target).catch((error: unknown) => {
    failureCode(error);
    return undefined;
  });
  if (socket === undefined) return false;
  const answer = new Promise<string>((heard) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.length >= 8) heard(text);
    });
    socket.once('close', () => heard(text));
    socket.setTimeout(target.timeoutMs, () => heard(text));
  });
  socket.write(`HEAD / HTTP/1.1\r\nHost: ${target.host}\r\nConnection: close\r\n\r\n`);
  const text = await answer;
  socket.destroy();
  return HTTP_ANSWER.test(text);
}
