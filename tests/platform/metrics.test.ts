import { expect } from 'chai';
import type { Logger } from '../../core/ports.ts';
import { createMetrics } from '../../platform/metrics.ts';

async function hubLines(metrics: ReturnType<typeof createMetrics>): Promise<readonly string[]> {
  const { body } = await metrics.render();
  return body.split('\n').filter((line) => line.startsWith('hub_'));
}

/** A logger that keeps its warnings. */
function warnings(): { log: Logger; messages: string[] } {
  const messages: string[] = [];
  const log: Logger = {
    error: () => undefined,
    warn: (message) => messages.push(message),
    info: () => undefined,
    debug: () => undefined,
    child: () => log,
  };
  return { log, messages };
}

describe('the metrics', () => {
  it('counts, gauges and observes', async () => {
    const metrics = createMetrics();
    const counter = metrics.counter({ name: 'hub_routes_matched_total', help: 'Matches.', labels: ['route'] });
    const gauge = metrics.gauge({ name: 'hub_spool_pending_bytes', help: 'Bytes.', labels: [] });
    const histogram = metrics.histogram({
      name: 'hub_gateway_ack_duration_seconds',
      help: 'Seconds.',
      labels: ['door'],
      buckets: [0.1, 1],
    });

    counter.increment({ route: 'a' });
    counter.increment({ route: 'a' }, 2);
    gauge.set({}, 7);
    histogram.observe({ door: 'dimse' }, 0.5);

    expect(await hubLines(metrics)).to.include.members([
      'hub_routes_matched_total{route="a"} 3',
      'hub_spool_pending_bytes 7',
      'hub_gateway_ack_duration_seconds_bucket{le="0.1",door="dimse"} 0',
      'hub_gateway_ack_duration_seconds_bucket{le="1",door="dimse"} 1',
      'hub_gateway_ack_duration_seconds_sum{door="dimse"} 0.5',
    ]);
  });

  it('says what the process itself does, in the text format of Prometheus', async () => {
    const { contentType, body } = await createMetrics().render();

    expect(contentType).to.match(/^text\/plain; version=0\.0\.4/);
    expect(body).to.include('process_resident_memory_bytes').and.to.include('nodejs_eventloop_lag_seconds');
  });

  it('keeps two hubs in one process apart', async () => {
    const [first, second] = [createMetrics(), createMetrics()];
    const definition = { name: 'hub_routes_matched_total', help: 'Matches.', labels: [] } as const;
    first.counter(definition).increment({});
    second.counter(definition);

    expect(await hubLines(first)).to.deep.equal(['hub_routes_matched_total 1']);
    expect(await hubLines(second)).to.deep.equal(['hub_routes_matched_total 0']);
  });

  it('is one counter for stages that share its definition', async () => {
    const metrics = createMetrics();
    const shared = { name: 'hub_quarantined_total', help: 'Held.', labels: ['reason'] } as const;

    metrics.counter(shared).increment({ reason: 'a' });
    metrics.counter(shared).increment({ reason: 'a' });

    expect(await hubLines(metrics)).to.deep.equal(['hub_quarantined_total{reason="a"} 2']);
    expect(() => metrics.counter({ ...shared })).to.throw(/defined twice/);
  });

  it('asks for values when it is read, and gives the others when one cannot be had', async () => {
    const { log, messages } = warnings();
    const metrics = createMetrics({ log });
    const gauge = metrics.gauge({ name: 'hub_jobs', help: 'Jobs.', labels: ['state'] });
    let round = 0;
    gauge.collect(async () => {
      round += 1;
      gauge.reset();
      gauge.set({ state: `round-${round}` }, round);
    });
    metrics.gauge({ name: 'hub_broken', help: 'Broken.', labels: [] }).collect(() => {
      throw new Error('cannot');
    });

    await metrics.render();
    const lines = await hubLines(metrics);

    expect(lines.filter((line) => line.startsWith('hub_jobs'))).to.deep.equal(['hub_jobs{state="round-2"} 2']);
    expect(messages).to.deep.equal(['metric could not be collected', 'metric could not be collected']);
  });

  it('bounds the label sets of a metric and says so once', async () => {
    const { log, messages } = warnings();
    const metrics = createMetrics({ log, maxLabelSets: 3 });
    const counter = metrics.counter({ name: 'hub_requests_total', help: 'Requests.', labels: ['a', 'b'] });

    for (let index = 0; index < 10; index += 1) counter.increment({ a: `a${index}`, b: 'x' });
    counter.increment({ a: 'a1', b: 'x' });

    expect(await hubLines(metrics)).to.have.members([
      'hub_requests_total{a="a0",b="x"} 1',
      'hub_requests_total{a="a1",b="x"} 2',
      'hub_requests_total{a="a2",b="x"} 1',
      'hub_requests_total{a="other",b="other"} 7',
    ]);
    expect(messages).to.deep.equal(['metric has too many label sets']);
  });

  for (const [what, define] of [
    ['a name that is taken', (metrics) => [1, 2].map(() => metrics.gauge({ name: 'hub_x', help: 'X.', labels: [] }))],
    ['a name that is not the hub’s', (metrics) => metrics.gauge({ name: 'x_total', help: 'X.', labels: [] })],
    ['a counter without _total', (metrics) => metrics.counter({ name: 'hub_x', help: 'X.', labels: [] })],
    ['no help', (metrics) => metrics.gauge({ name: 'hub_x', help: '', labels: [] })],
    ['a label in another style', (metrics) => metrics.gauge({ name: 'hub_x', help: 'X.', labels: ['studyUID'] })],
    [
      'buckets that do not grow',
      (metrics) => metrics.histogram({ name: 'hub_x', help: 'X.', labels: [], buckets: [1, 1] }),
    ],
  ] satisfies readonly (readonly [string, (metrics: ReturnType<typeof createMetrics>) => unknown])[]) {
    it(`refuses ${what}`, () => {
      expect(() => define(createMetrics())).to.throw();
    });
  }
});
