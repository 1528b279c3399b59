import { expect } from 'chai';
import { rangedSource } from '../../../core/ranged-source.ts';
import { compilePlan } from '../../../processors/deidentify/plan.ts';
import { policySchema } from '../../../processors/deidentify/policy.ts';
import { deidentifyInstances } from '../../../processors/deidentify/study.ts';
import { KEY } from '../../support/deidentified.ts';
import { element, identity, sampleFile } from '../../support/dicom-samples.ts';

describe('pixels that are copied', () => {
  for (const [name, sizeBytes] of [
    ['few enough to be kept', 4_096],
    ['too many to be kept', 3_000_000],
  ] as const) {
    it(`release the instance when they read the same once more: ${name}`, async () => {
      const outcome = await deidentify(sizeBytes, () => undefined);

      expect(outcome).to.equal('released');
    });

    it(`hold it when one byte reads otherwise: ${name}`, async () => {
      const outcome = await deidentify(sizeBytes, (file) => {
        const last = file.length - 1;
        file[last] = (file[last] ?? 0) ^ 1;
      });

      expect(outcome).to.equal('1 of 1 instances cannot be released: pixel data changed on the way');
    });
  }
});

/** @param change - done to the source between what is written and what is read once more */
async function deidentify(sizeBytes: number, change: (file: Uint8Array) => void): Promise<string> {
  const pixels = Uint8Array.from({ length: sizeBytes }, (_, n) => n % 251);
  const file = sampleFile([...identity(), element('PixelData', pixels, 'OW')]);
  const read = async (offset: number, length: number) => Uint8Array.from(file.subarray(offset, offset + length));
  const outcome = await deidentifyInstances(
    [{ sopInstanceUid: '1', open: async () => rangedSource(file.length, read, async () => undefined) }],
    {
      plan: compilePlan(policySchema.parse({ name: 'basic', profile: 'basic' })),
      secret: KEY,
      signal: new AbortController().signal,
      write: async ({ body }) => {
        for await (const chunk of body) chunk.fill(0, 0, 0);
        change(file);
      },
    },
  );
  return outcome.outcome === 'released' ? outcome.outcome : outcome.detail;
}
