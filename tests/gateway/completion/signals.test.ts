import { createServer } from 'node:http';
import { expect } from 'chai';
import express from 'express';
import type { RoutePatience } from '../../../core/completion.ts';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import type { CompletionOptions } from '../../../gateway/completion/rules.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { RELEASE_REQUEST, statusOf, storeRequest } from '../../support/raw-association.ts';
import { startGateway } from '../../support/running-gateway.ts';
import { waitFor } from '../../support/wait-for.ts';
import {
  afterRestart,
  associated,
  completion,
  countingSource,
  recorded,
  released,
  requested,
  stored,
  study,
  studyOf,
  withGateway,
} from './completing.ts';

/** Neither comes in a test's lifetime: what completes a study here is another signal. */
const PATIENT = { quietMs: 600_000, forceMs: 5_400_000 };
const RELEASED = { ...PATIENT, afterReleaseMs: 300 };
const ROUTES: RoutePatience = { quietMs: [], forceMs: [], required: [], whenMissing: 'proceed' };

describe('a study is complete', function () {
  this.timeout(30_000);

  it('when its sender releases the association', async () => {
    await withGateway(RELEASED, async (hub) => {
      const [first, second] = studyOf(2);
      const peer = await associated(hub, first, second);
      peer.send(RELEASE_REQUEST);

      const { signal, evidence, instances } = await completion(hub);

      expect({ signal, instances }).to.deep.equal({ signal: 'release', instances: 2 });
      expect(evidence?.find(({ what }) => what === 'release')?.id).to.match(/^[0-9a-f-]{36}$/);
      peer.destroy();
    });
  });

  it('not when an association is cut off', async () => {
    await withGateway(RELEASED, async (hub) => {
      const [first, second] = studyOf(2);
      (await associated(hub, first)).destroy();
      const other = mrInstance();
      const peer = await associated(hub, other);
      peer.send(RELEASE_REQUEST);

      const { studyInstanceUid } = await completion(hub);

      expect(studyInstanceUid).to.equal(other.studyInstanceUid);
      expect((await study(hub, second))?.state).to.equal('receiving');
      peer.destroy();
    });
  });

  it('not while the association that brings it is open', async () => {
    await withGateway({ ...PATIENT, quietMs: 400, afterReleaseMs: 100 }, async (hub) => {
      const [first] = studyOf(1);
      const peer = await associated(hub, first);
      await recorded(hub, first, 1);
      (await associated(hub, mrInstance())).destroy();

      const { signal, studyInstanceUid } = await completion(hub);
      const waiting = await hub.gateway.waiting(parseStudyInstanceUid(first.studyInstanceUid));

      expect({ signal, isOther: studyInstanceUid !== first.studyInstanceUid }).to.deep.equal({
        signal: 'quiet',
        isOther: true,
      });
      expect(waiting?.reasons[0]).to.deep.equal({ what: 'association' });
      peer.destroy();
    });
  });

  it('when the last of the associations that brought it is released', async () => {
    await withGateway({ ...PATIENT, afterReleaseMs: 0 }, async (hub) => {
      const [first, second, third] = studyOf(3);
      const one = await associated(hub, first);
      const two = await associated(hub, second);
      one.send(RELEASE_REQUEST);
      await one.next();
      two.send(storeRequest(third, third.dataSet));
      expect(statusOf(await two.next())).to.equal(0);
      two.send(RELEASE_REQUEST);

      const { instances, revision } = await completion(hub);

      expect({ instances, revision }).to.deep.equal({ instances: 3, revision: 1 });
      one.destroy();
      two.destroy();
    });
  });

  it('after a restart in the grace of a release', async () => {
    const before = await startGateway({ options: { completion: { ...RELEASED, afterReleaseMs: 1_500 } } });
    const [first] = studyOf(1);
    const peer = await associated(before, first);
    peer.send(RELEASE_REQUEST);
    await peer.next();
    peer.destroy();
    await before.stop();

    await afterRestart(before, { ...RELEASED, afterReleaseMs: 1_500 }, async (hub) => {
      expect((await completion(hub)).signal).to.equal('release');
    });
  });

  it('when a STOW-RS request has ended with all of it stored, and not with a part', async () => {
    await withGateway(RELEASED, async (hub) => {
      const server = createServer(express().use('/dicom-web', hub.gateway.stowRouter));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const [first, second] = studyOf(2);
      const broken = mrInstance();

      const partly = await stored(server, [broken.part10, Buffer.from('no Part 10 file')]);
      const whole = await stored(server, [first.part10, second.part10]);
      const { signal, studyInstanceUid, instances } = await completion(hub);

      expect([partly, whole]).to.deep.equal([202, 200]);
      expect({ signal, studyInstanceUid, instances }).to.deep.equal({
        signal: 'release',
        studyInstanceUid: first.studyInstanceUid,
        instances: 2,
      });
      expect((await study(hub, broken))?.state).to.equal('receiving');
      server.closeAllConnections();
      server.close();
    });
  });

  it('when the ledger holds the list of a storage commitment request', async () => {
    await withGateway(PATIENT, async (hub) => {
      const [first, second] = studyOf(2);
      (await associated(hub, first, second)).destroy();
      await recorded(hub, first, 2);
      const transactionUid = newUid();

      const commitmentId = await requested(hub, transactionUid, [first, second]);
      await hub.ledger.commitments.decide(commitmentId, []);
      const { signal, evidence } = await completion(hub);

      expect(signal).to.equal('commitment');
      expect(evidence).to.deep.include({ what: 'commitment', id: transactionUid, held: 2, expected: 2 });
    });
  });

  it('not when the list leaves out what came', async () => {
    await withGateway({ ...PATIENT, quietMs: 2_000 }, async (hub) => {
      const [first, second] = studyOf(2);
      (await associated(hub, first, second)).destroy();
      await recorded(hub, first, 2);

      const commitmentId = await requested(hub, newUid(), [first]);
      await hub.ledger.commitments.decide(commitmentId, []);

      expect((await completion(hub)).signal).to.equal('quiet');
    });
  });

  it('when a source that is asked has no more, and not before', async () => {
    const source = await countingSource(3);
    await withGateway({ ...RELEASED, queries: { loopback: source.query } }, async (hub) => {
      const [first, second, third] = studyOf(3);
      await released(hub, first, second);
      const waiting = await waitFor('the answer', async () => {
        const now = await hub.gateway.waiting(parseStudyInstanceUid(first.studyInstanceUid));
        return now?.reasons.some(({ what }) => what === 'source-count') === true ? now : undefined;
      });
      await released(hub, third);

      const { signal, instances } = await completion(hub);

      expect(waiting.reasons[0]).to.deep.equal({ what: 'source-count', held: 2, expected: 3 });
      expect({ signal, instances }).to.deep.equal({ signal: 'source-count', instances: 3 });
    });
    await source.stop();
  });

  it('after a restart while its source was asked', async () => {
    const source = await countingSource(1);
    source.hang();
    const options = { ...PATIENT, quietMs: 300, queries: { loopback: source.query } };
    const before = await startGateway({ options: { completion: options } });
    const [first] = studyOf(1);
    (await associated(before, first)).destroy();
    await waitFor('a question', () => source.questions() > 0);
    await before.stop();
    source.answer();

    await afterRestart(before, options, async (hub) => {
      expect((await completion(hub)).signal).to.equal('source-count');
    });
    await source.stop();
  });

  it('by the weaker signal when its source does not answer', async () => {
    const source = await countingSource(1);
    source.fail();
    await withGateway(
      { ...PATIENT, forceMs: 4_000, quietMs: 300, queries: { loopback: source.query } },
      async (hub) => {
        const [first] = studyOf(1);
        (await associated(hub, first)).destroy();

        const { signal, evidence } = await completion(hub);

        expect(signal).to.equal('quiet');
        expect(evidence?.find(({ what }) => what === 'source-count')).to.include({ code: 'partner.busy' });
        expect(await hub.metrics()).to.match(
          /hub_gateway_source_queries_total\{source="loopback",outcome="failed"\} [12]/,
        );
      },
    );
    await source.stop();
  });

  it('sooner when the counts of its headers are met', async () => {
    await withGateway({ ...PATIENT, afterCountsMs: 300 }, async (hub) => {
      const [first, second] = studyOf(2, { SeriesInstanceUID: newUid(), ImagesInAcquisition: '2' });
      (await associated(hub, first, second)).destroy();

      const { signal, instances } = await completion(hub);

      expect({ signal, instances }).to.deep.equal({ signal: 'header-count', instances: 2 });
    });
  });

  it('no sooner than the counts of its headers are met, over a restart', async () => {
    const options = { ...PATIENT, quietMs: 400, afterCountsMs: 400 };
    const before = await startGateway({ options: { completion: options } });
    const [first, second] = studyOf(2, { SeriesInstanceUID: newUid(), ImagesInAcquisition: '2' });
    (await associated(before, first)).destroy();
    await waitFor('the study to wait for its series', async () => {
      const waiting = await before.gateway.waiting(parseStudyInstanceUid(first.studyInstanceUid));
      return waiting?.reasons[0]?.what === 'header-count';
    });
    await before.stop();

    await afterRestart(before, options, async (hub) => {
      (await associated(hub, second)).destroy();

      const { signal, instances, revision } = await completion(hub);

      expect({ signal, instances, revision }).to.deep.equal({ signal: 'header-count', instances: 2, revision: 1 });
    });
  });

  it('after the quiet period of the most patient route, though its source has a shorter one', async () => {
    const patienceOf = (): RoutePatience => ({ ...ROUTES, quietMs: [undefined, 1_500] });
    await withGateway({ ...PATIENT, quietMs: 300, patienceOf }, async (hub) => {
      const [first] = studyOf(1);
      (await associated(hub, first)).destroy();

      const { evidence, quietMs } = await completion(hub);

      expect(evidence?.find(({ what }) => what === 'silence')?.ms).to.be.within(1_500, 5_000);
      expect(quietMs).to.equal(1_500);
    });
  });

  it('after the quiet period of its route, though its source has a longer one', async () => {
    const patienceOf = (): RoutePatience => ({ ...ROUTES, quietMs: [300] });
    await withGateway({ ...PATIENT, patienceOf, shortestRouteQuietMs: 300 }, async (hub) => {
      const [first] = studyOf(1);
      (await associated(hub, first)).destroy();

      expect((await completion(hub)).signal).to.equal('quiet');
    });
  });

  it('when the last series that a route requires comes, over a restart and past the longest time', async () => {
    const options: CompletionOptions = {
      quietMs: 300,
      forceMs: 800,
      patienceOf: (series) => ({
        ...ROUTES,
        required: ['T1', 'T2'].map((name) => ({
          route: 'brain',
          met: series.some(({ attributes }) => attributes['SeriesDescription']?.[0] === name),
        })),
        whenMissing: 'hold',
      }),
    };
    const study = newUid();
    const before = await startGateway({ options: { completion: options } });
    (await associated(before, mrInstance({ StudyInstanceUID: study, SeriesDescription: 'T1' }))).destroy();
    await waitFor('the study to be held', () =>
      before.lines.find(({ message }) => message === 'study is held until what its routes require comes'),
    );
    await before.stop();

    await afterRestart(before, options, async (hub) => {
      expect(await hub.gateway.waiting(parseStudyInstanceUid(study))).to.deep.equal({
        reasons: [{ what: 'required-series', route: 'brain', met: 1, required: 2 }],
      });
      (await associated(hub, mrInstance({ StudyInstanceUID: study, SeriesDescription: 'T2' }))).destroy();

      const { instances, evidence } = await completion(hub);

      expect(instances).to.equal(2);
      expect(evidence).to.deep.include({ what: 'required-series', route: 'brain', held: 2, expected: 2 });
    });
  });
});
