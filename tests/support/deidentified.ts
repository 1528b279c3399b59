/** Runs files through the de-identification as processor and command do, with a fixed key. */
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { readDataSet, type Part10Header } from '../../core/dicom/part10.ts';
import { compilePlan } from '../../processors/deidentify/plan.ts';
import { policySchema } from '../../processors/deidentify/policy.ts';
import { reportOf, type DeidentificationReport } from '../../processors/deidentify/report.ts';
import { deidentifyInstances } from '../../processors/deidentify/study.ts';

export const KEY = new Uint8Array(32).fill(42);

export type Deidentified =
  | { readonly outcome: 'released'; readonly files: readonly Uint8Array[]; readonly report: DeidentificationReport }
  | {
      readonly outcome: 'held';
      readonly reason: string;
      readonly detail: string;
      readonly instances: readonly string[];
    };

/** @param policy - an entry of `policies` without name and profile */
export async function deidentifyFiles(
  files: readonly Uint8Array[],
  policy: Readonly<Record<string, unknown>> = {},
  key: Uint8Array = KEY,
): Promise<Deidentified> {
  const plan = compilePlan(policySchema.parse({ name: 'test', profile: 'basic', ...policy }));
  const study = await deidentifyInstances(
    files.map((file, index) => ({ sopInstanceUid: String(index), open: async () => bytesAsSource(file) })),
    {
      plan,
      secret: key,
      signal: new AbortController().signal,
      write: async ({ body }) => {
        const chunks: Uint8Array[] = [];
        for await (const chunk of body) chunks.push(Buffer.from(chunk));
        return Buffer.concat(chunks);
      },
    },
  );
  if (study.outcome === 'held') {
    const { outcome, reason, detail } = study;
    return { outcome, reason, detail, instances: study.instances.map(({ sopInstanceUid }) => sopInstanceUid) };
  }
  return {
    outcome: 'released',
    files: study.instances.map(({ written }) => written),
    report: reportOf(plan, study),
  };
}

/** As above for what must come through; parsed again, whole. */
export async function releasedFiles(
  files: readonly Uint8Array[],
  policy: Readonly<Record<string, unknown>> = {},
  key: Uint8Array = KEY,
): Promise<{
  readonly parsed: readonly Part10Header[];
  readonly files: readonly Uint8Array[];
  readonly report: DeidentificationReport;
}> {
  const result = await deidentifyFiles(files, policy, key);
  if (result.outcome === 'held') throw new Error(`held: ${result.detail}`);
  const parsed = await Promise.all(result.files.map((file) => readDataSet(bytesAsSource(file))));
  return { parsed, files: result.files, report: result.report };
}

/** The first of them, for tests of one file. */
export async function releasedFile(file: Uint8Array, policy: Readonly<Record<string, unknown>> = {}) {
  const { parsed, files, report } = await releasedFiles([file], policy);
  const [header] = parsed;
  const [bytes] = files;
  if (header === undefined || bytes === undefined) throw new Error('nothing came out');
  return { header, dataSet: header.dataSet, bytes, report };
}
