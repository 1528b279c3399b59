import { expect } from 'chai';
import type { CommandSet } from '../../../../gateway/dimse/command-set.ts';
import { actionService } from '../../../../gateway/dimse/commitment/action-service.ts';
import { encodeEventInformation } from '../../../../gateway/dimse/commitment/data-sets.ts';
import type { MessageCarrier } from '../../../../gateway/dimse/messages.ts';
import {
  STORAGE_COMMITMENT_SOP_CLASS,
  STORAGE_COMMITMENT_SOP_INSTANCE,
} from '../../../../gateway/dimse/presentation-contexts.ts';
import { EXPLICIT, MR } from '../../../support/raw-association.ts';
import { silentLog } from '../../../support/silent-log.ts';

const SET: CommandSet = {
  ...{ field: 0x0130, messageId: 1, hasDataSet: true, actionTypeId: 1 },
  affectedSopClassUid: STORAGE_COMMITMENT_SOP_CLASS,
  affectedSopInstanceUid: STORAGE_COMMITMENT_SOP_INSTANCE,
};
const CONTEXT = {
  id: 1,
  abstractSyntaxUid: STORAGE_COMMITMENT_SOP_CLASS,
  result: 0,
  transferSyntaxUid: EXPLICIT,
} as const;

describe('an N-ACTION under way', () => {
  it('is the only one of its association in memory: no other is read until it has its answer', async () => {
    const held: Promise<unknown>[] = [];
    const written: Buffer[] = [];
    const recorded = Promise.withResolvers<undefined>();
    const carrier: MessageCarrier = {
      provenance: () => ({ door: 'dimse', source: 'pv-7t', associationId: 'association-1' }),
      isStopping: () => false,
      write: (bytes) => void written.push(bytes),
      writeReport: () => undefined,
      holdBack: (ready) => void held.push(ready),
      onAnswered: () => undefined,
      onFailed: (error) => {
        throw error;
      },
    };
    const desk = {
      ...{ maxItems: 10, opened: () => undefined, closed: () => undefined },
      request: async () => {
        await recorded.promise;
        return { outcome: 'recorded' as const, onAnswered: () => undefined };
      },
    };
    const incoming = actionService(desk, carrier, silentLog)(CONTEXT, SET);
    void incoming.take(encodeEventInformation('1.2.3', [{ sopClassUid: MR, sopInstanceUid: '1.2' }], EXPLICIT).dataSet);

    const answered = incoming.end()();
    const [reading = Promise.resolve()] = held;
    let isReading = false;
    void reading.then(() => (isReading = true));
    await new Promise(setImmediate);

    expect([held.length, isReading, written.length]).to.deep.equal([1, false, 0]);
    recorded.resolve(undefined);
    await Promise.all([answered, reading]);
    expect(written).to.have.length(1);
  });
});
