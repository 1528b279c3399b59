import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/ports.ts';
import type { PackEntry } from '../../../core/store.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { storeMetrics } from '../../../platform/store/metrics.ts';
import { watchStore } from '../../../platform/store/watch.ts';
import { silentLog } from '../../support/silent-log.ts';
import { thrownBy } from '../../support/thrown.ts';

describe('the watch over an object store', () => {
  it('says in words, a metric and the log what keeps the hub out, and asks no more often than it has to', async () => {
    let questions = 0;
    const said: unknown[] = [];
    const log: Logger = { ...silentLog, error: (message, fields) => void said.push([message, fields]) };
    const shelf = {
      async *list(): AsyncGenerator<PackEntry> {
        questions += 1;
        throw new HubError('store.credentials', { reason: 'InvalidAccessKeyId' });
      },
    };
    const watch = watchStore({ shelf, results: 'results/', log });
    const metrics = createMetrics({ withProcess: false });
    storeMetrics(metrics, watch);

    const error = await thrownBy(watch.check());
    const { body } = await metrics.render();

    expect(error.code).to.equal('store.credentials');
    expect(body).to.match(/^hub_store_up 0$/m);
    expect(questions).to.equal(1);
    expect(said).to.have.length(1);
    expect(JSON.stringify(said)).to.contain('store.credentials').and.to.contain('remedy');
  });
});
