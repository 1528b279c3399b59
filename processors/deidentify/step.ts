/** The step at work: new instances, the way back to the old ones, and a signed report. */
import type { ProcessorContext, ProcessorResult } from '../../core/plugins.ts';
import type { ArtefactItem, InstanceItem, StoredBlob } from '../../core/store.ts';
import { crosswalkCodec, CROSSWALK_PURPOSE } from '../crosswalk/codec.ts';
import { partsOfRelease } from '../crosswalk/parts.ts';
import { Mapped } from './mapped.ts';
import type { Plan } from './plan.ts';
import { reportPage } from './report-page.ts';
import { reportOf } from './report.ts';
import { createReportSigner, SIGNING_PURPOSE } from './signature.ts';
import { deidentifyInstances, recipientOf } from './study.ts';
import type { ReleasedStudy } from './study.ts';

const NAME = 'deidentify';

export async function run(context: ProcessorContext<Plan>): Promise<ProcessorResult> {
  const { items, options: plan, pack, store } = context;
  const instances = items.filter((item) => item.kind === 'instance');
  const artefacts = items.filter((item) => item.kind === 'artefact');
  const mapped = new Mapped();
  const study = await deidentifyInstances(
    instances.map(({ blob, sopInstanceUid }) => ({ sopInstanceUid, open: () => store.open(blob) })),
    {
      plan,
      secret: await context.secret(NAME),
      // One that is written again stays in the pack a first time, and nobody is told where.
      write: ({ body }) => pack.append(body),
      mapped,
      signal: context.signal,
      onProgress: (done, total) => context.progress(done / total),
    },
  );
  if (study.outcome === 'held') {
    const { reason, detail } = study;
    return { outcome: 'held', reason, detail, sopInstanceUids: study.instances.map((one) => one.sopInstanceUid) };
  }

  const [report, page] = await appendReport(context, study);
  // Sealed here: what leads back crosses no other thread, and the ledger, readable.
  const codec = crosswalkCodec(await context.secret(CROSSWALK_PURPOSE), recipientOf(plan));
  return {
    outcome: 'done',
    crosswalk: partsOfRelease(
      codec,
      plan,
      mapped,
      study.instances.map(({ instance }) => instance),
    ),
    // What was made before from identified data is passed on, but no partner gets it.
    items: [...releasedItems(plan, instances, study), ...artefacts.map((item) => withoutRelease(item)), report, page],
    events: [
      {
        type: 'study.deidentified',
        data: {
          policy: plan.policy,
          policyHash: plan.hash,
          tableEdition: plan.edition,
          ...(plan.partner === undefined ? {} : { partner: plan.partner }),
          releasedStudyInstanceUid: study.studyInstanceUid,
          instances: study.instances.length,
          counts: { ...study.tally.byAction() },
          reportRef: report.blob,
        },
      },
    ],
  };
}

function releasedItems(
  plan: Plan,
  originals: readonly InstanceItem[],
  study: ReleasedStudy<StoredBlob>,
): readonly InstanceItem[] {
  return study.instances.map(({ instance, written }, index) => {
    const derivedBy = originals[index]?.derivedBy;
    return {
      kind: 'instance',
      ...written,
      studyInstanceUid: instance.studyInstanceUid,
      seriesInstanceUid: instance.seriesInstanceUid,
      sopInstanceUid: instance.sopInstanceUid,
      sopClassUid: instance.sopClassUid,
      transferSyntaxUid: instance.transferSyntaxUid,
      ...release(plan),
      ...(derivedBy === undefined ? {} : { derivedBy }),
    };
  });
}

/** The signed report and the same for people: both go to the partner with the study. */
async function appendReport(
  context: ProcessorContext<Plan>,
  study: ReleasedStudy<StoredBlob>,
): Promise<readonly [ArtefactItem, ArtefactItem]> {
  const { options: plan, pack } = context;
  const signed = createReportSigner(await context.secret(SIGNING_PURPOSE)).sign(reportOf(plan, study));
  const append = async (name: string, mediaType: string, text: string): Promise<ArtefactItem> => ({
    kind: 'artefact',
    ...(await pack.append(Buffer.from(text, 'utf8'))),
    name: `deidentification/${name}`,
    mediaType,
    derivedBy: NAME,
    ...release(plan),
  });
  return [
    await append('report.json', 'application/json', `${JSON.stringify(signed, undefined, 2)}\n`),
    await append('report.html', 'text/html', reportPage([signed], signed.signature)),
  ];
}

function withoutRelease({ releasedFor: _, ...item }: ArtefactItem): ArtefactItem {
  return item;
}

function release(plan: Plan): { readonly releasedFor?: string } {
  return plan.partner === undefined ? {} : { releasedFor: plan.partner };
}
