import { expect } from 'chai';
import type { ProcessorContext } from '../../../core/plugins.ts';
import { checkEvent, type HubEvent } from '../../../core/events.ts';
import { type ArtefactItem, formatBlobRef, type InstanceItem, type StoredBlob } from '../../../core/store.ts';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { deidentify } from '../../../processors/deidentify/index.ts';
import { run as runDeidentify } from '../../../processors/deidentify/step.ts';
import type { Plan } from '../../../processors/deidentify/plan.ts';
import { createReportSigner, SIGNING_PURPOSE, verifyReport } from '../../../processors/deidentify/signature.ts';
import { KEY } from '../../support/deidentified.ts';
import { identity, pixels, sampleFile } from '../../support/dicom-samples.ts';
import { silentLog } from '../../support/silent-log.ts';

describe('deidentify processor', () => {
  it('releases the instances for the partner, with report and event, and passes earlier artefacts on unreleased', async () => {
    const files = [1, 2].map((number) => sampleFile([...identity({ instance: `1.2.999.3.${number}` }), ...pixels()]));
    const { context, written, progress } = contextFor(files);

    const result = await runDeidentify(context);

    if (result.outcome !== 'done') throw new Error(result.detail);
    const [first, second, mosaic, report, page] = result.items;
    expect(result.items.length).to.equal(5);
    expect(first).to.include({ kind: 'instance', releasedFor: 'kct', sopClassUid: '1.2.840.10008.5.1.4.1.1.4' });
    expect(first)
      .to.have.property('studyInstanceUid')
      .that.matches(/^2\.25\./);
    expect(second).to.include({ derivedBy: 'segment', releasedFor: 'kct' });
    expect(mosaic).to.include({ kind: 'artefact', name: 'qc/mosaic.png' }).and.not.have.property('releasedFor');
    expect(report).to.include({ kind: 'artefact', name: 'deidentification/report.json', releasedFor: 'kct' });
    expect(page).to.include({ kind: 'artefact', name: 'deidentification/report.html', releasedFor: 'kct' });
    const signed: unknown = JSON.parse(Buffer.from(written.at(-2) ?? []).toString('utf8'));
    expect(verifyReport(signed, createReportSigner(KEY).publicKeyPem)).to.equal('valid');
    const [event] = result.events;
    expect(event?.data).to.include({
      policy: 'kct',
      partner: 'kct',
      instances: 2,
      tableEdition: '2026c',
      reportRef: report?.blob,
    });
    const text = written.map((bytes) => Buffer.from(bytes).toString('latin1')).join('');
    expect(text).to.not.match(/Kanariala|RAT-0815|1\.2\.999/);
    expect(progress).to.deep.equal([0.5, 1]);
    checkEvent(eventFrom(event));
  });

  it('holds the run and names the instances, when one cannot be released', async () => {
    const good = sampleFile([...identity(), ...pixels()]);
    const { context } = contextFor([good, sampleFile([...identity({ sopClass: '1.2.3' }), ...pixels()])]);

    const result = await runDeidentify(context);

    expect(result).to.deep.equal({
      outcome: 'held',
      reason: 'policy.unsafe',
      detail: '1 of 2 instances cannot be released: SOP class is not one the policy names',
      sopInstanceUids: ['1.2.999.3.2'],
    });
  });
});

function contextFor(files: readonly Uint8Array[]) {
  const written: Uint8Array[] = [];
  const progress: number[] = [];
  const stored = (bytes: Uint8Array, pack: string, index: number): StoredBlob => ({
    blob: formatBlobRef(`${pack}/${index}`, 0, bytes.length),
    sizeBytes: bytes.length,
    sha256: '0'.repeat(64),
  });
  const items = files.map((bytes, index): InstanceItem => ({
    kind: 'instance',
    ...stored(bytes, 'in', index),
    studyInstanceUid: '1.2.999.1',
    seriesInstanceUid: '1.2.999.2',
    sopInstanceUid: `1.2.999.3.${index + 1}`,
    sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
    transferSyntaxUid: '1.2.840.10008.1.2.1',
    ...(index === 1 ? { derivedBy: 'segment' } : {}),
  }));
  const mosaic: ArtefactItem = {
    kind: 'artefact',
    ...stored(new Uint8Array(1), 'art', 0),
    name: 'qc/mosaic.png',
    mediaType: 'image/png',
    derivedBy: 'qc',
    releasedFor: 'kct',
  };
  const options = deidentify.resolve('kct', { policies: [policyEntry()], models: [] });
  const context: ProcessorContext<Plan> = {
    options,
    runId: '0198f3a0-0000-7000-8000-000000000001',
    route: 'route',
    studyInstanceUid: '1.2.999.1',
    revision: 1,
    items: [...items, mosaic],
    store: {
      open: async (ref) => bytesAsSource(files[items.findIndex(({ blob }) => blob === ref)] ?? new Uint8Array(0)),
      createPack: () => Promise.reject(new TypeError('the runner does this')),
    },
    pack: {
      append: async (body) => {
        const chunks: Uint8Array[] = [];
        if (body instanceof Uint8Array) chunks.push(body);
        else for await (const chunk of body) chunks.push(Buffer.from(chunk));
        const bytes = Buffer.concat(chunks);
        written.push(bytes);
        return stored(bytes, 'out', written.length);
      },
      commit: () => Promise.reject(new TypeError('the runner does this')),
      abort: async () => undefined,
    },
    secret: async (purpose) =>
      ['deidentify', 'crosswalk', SIGNING_PURPOSE].includes(purpose) ? KEY : Promise.reject(new TypeError(purpose)),
    log: silentLog,
    signal: new AbortController().signal,
    progress: (fraction) => progress.push(fraction),
  };
  return { context, written, progress };
}

function policyEntry(): { readonly name: string; readonly profile: string; readonly partner: string } {
  return { name: 'kct', profile: 'basic', partner: 'kct' };
}

/** With what the runner adds. */
function eventFrom(result: unknown): HubEvent {
  const { type, data } = result as { type: 'study.deidentified'; data: HubEvent<'study.deidentified'>['data'] };
  const run = {
    studyInstanceUid: '1.2.999.1',
    revision: 1,
    runId: '0198f3a0-0000-7000-8000-000000000001',
    route: 'route',
  };
  return {
    id: '1',
    type,
    stream: 'hub.result.v1',
    key: '1.2.999.1',
    time: '2026-01-01T00:00:00Z',
    data: { ...data, ...run },
  };
}
