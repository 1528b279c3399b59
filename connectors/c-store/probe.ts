/** Tries the way to a C-STORE provider as a delivery would go it: name, port, TLS, association, C-ECHO, a test instance. */
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { type Diagnosis, fine, skipped, wrong } from '../../core/diagnosis.ts';
import { HubError } from '../../core/errors.ts';
import type { ProbeContext } from '../../core/plugins.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import { echo, hex, probePeer } from '../probe/dimse.ts';
import type { Words } from '../probe/refusal-sentences.ts';
import { makeTestObject } from '../probe/test-object.ts';
import { contextDiagnoses, PROBED_CONTEXTS } from './probe-contexts.ts';
import { sendInstances } from './send.ts';

const WORDS: Words = {
  who: 'destination',
  entry: 'this destination',
  patience: 'Deliveries try again by themselves.',
};

/** @param peerOf - throws `config.invalid` when a secret cannot be had */
export async function* probeCStore(peerOf: () => Peer, context: ProbeContext): AsyncGenerator<Diagnosis> {
  const met = yield* probePeer(peerOf, PROBED_CONTEXTS, WORDS, context.signal);
  if (met === undefined) return;
  const { association, peer } = met;
  yield* contextDiagnoses(association);
  yield await echo(association, WORDS, context.signal);
  await association.release();
  yield context.sendTest
    ? await sendTestObject(peer, context)
    : skipped('test-object', 'A test instance was not sent', 'Only with --send-test: the destination would keep it.');
}

async function sendTestObject(peer: Peer, { hubName, signal }: ProbeContext): Promise<Diagnosis> {
  const object = makeTestObject(hubName, new Date());
  const open = () => Promise.resolve(bytesAsSource(object.bytes));
  let answer: { readonly outcome: string; readonly status: number } | undefined;
  try {
    await sendInstances(peer, [{ ...object, open }], signal, (result) => (answer = result));
  } catch (error) {
    if (!(error instanceof HubError) || signal.aborted) throw error;
    return wrong(
      'test-object',
      'The test instance could not be sent',
      `${error.row.title}: ${String(error.fields['detail'])}.`,
      'Look at the log of the destination.',
    );
  }
  if (answer?.outcome === 'stored') {
    return fine(
      'test-object',
      `The test instance is stored (${hex(answer.status)}). Delete it there: patient ID ${object.patientId}, study ${object.studyInstanceUid}`,
    );
  }
  const status = answer?.status ?? 0;
  return wrong(
    'test-object',
    `The test instance is not stored (${hex(status)})`,
    storeStatusSentence(status),
    'Look at the log of the destination for the same minute.',
  );
}

/** PS3.4 Table B.2-1, PS3.7 Annex C */
function storeStatusSentence(status: number): string {
  if (status >>> 8 === 0xa7)
    return 'The destination is out of resources: its disk is full, or its storage is not there.';
  if (status >>> 8 === 0xa9) return 'The destination finds that the data set does not match its SOP class.';
  if (status >>> 12 === 0xc) return 'The destination cannot understand the data set.';
  if (status === 0x0122) return 'The destination does not take MR Image Storage.';
  if (status === 0x0124) return 'The destination does not allow us to store.';
  return 'The destination could not process it.';
}
