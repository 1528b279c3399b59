/** What of the partner API is served by routers of their own, described: WADO-RS, the key of reports, this description. */
import * as z from 'zod';
import type { DescribedOperation } from '../../core/openapi.ts';

const uid = z.string().regex(/^[0-9.]{1,64}$/);
const study = { studyInstanceUid: uid.describe('As released.') };
const series = { ...study, seriesInstanceUid: uid };
const instance = { ...series, sopInstanceUid: uid };
const frames = { ...instance, frames: z.string().describe('Numbers from 1, separated by commas.') };
const bulk = { ...instance, path: z.string() };

const DICOM = { 'multipart/related; type="application/dicom"': undefined, 'application/zip': undefined };
const METADATA = { 'application/dicom+json': z.array(z.record(z.string(), z.unknown())) };
const PICTURE = { 'image/jpeg': undefined, 'image/png': undefined };
const BYTES = { 'multipart/related; type="application/octet-stream"': undefined };

const LEVELS = [
  ['/studies/{studyInstanceUid}', study, 'a study'],
  ['/studies/{studyInstanceUid}/series/{seriesInstanceUid}', series, 'a series'],
  ['/studies/{studyInstanceUid}/series/{seriesInstanceUid}/instances/{sopInstanceUid}', instance, 'an instance'],
] as const;
const INSTANCE = LEVELS[2][0];

function wado(
  path: string,
  params: Readonly<Record<string, z.ZodType>>,
  summary: string,
  answer: DescribedOperation['answer'],
): DescribedOperation {
  return {
    ...{ method: 'get', path, tag: 'studies', summary, answer, status: 200 },
    description: 'WADO-RS (PS3.18 Section 10.4), over what was released to the partner and nothing else.',
    needs: ['studies:read'],
    params: z.object(params),
  };
}

export const wadoOperations: readonly DescribedOperation[] = [
  ...LEVELS.flatMap(([path, params, what]) => [
    wado(path, params, `Instances of ${what}`, DICOM),
    wado(`${path}/metadata`, params, `Metadata of ${what}`, METADATA),
    wado(`${path}/rendered`, params, `Rendered pictures of ${what}`, PICTURE),
    wado(`${path}/thumbnail`, params, `A small picture of ${what}`, PICTURE),
  ]),
  wado(`${INSTANCE}/bulkdata/{path}`, bulk, 'Bulk data that metadata refers to', BYTES),
  wado(`${INSTANCE}/frames/{frames}`, frames, 'Frames of an instance', BYTES),
  wado(`${INSTANCE}/frames/{frames}/rendered`, frames, 'Rendered frames', PICTURE),
  wado(`${INSTANCE}/frames/{frames}/thumbnail`, frames, 'Small pictures of frames', PICTURE),
];

const stowBody = {
  'multipart/related; type="application/dicom"': undefined,
  'application/dicom': undefined,
  'multipart/related; type="application/dicom+json"': undefined,
};
const stored = { 'application/dicom+json': z.record(z.string(), z.unknown()) };

/** Where the configuration says that a partner returns results. */
export const stowOperations: readonly DescribedOperation[] = [
  {
    ...{ method: 'post', path: '/studies', tag: 'results', status: 200 },
    summary: 'Returns what the partner made of released studies',
    description: 'STOW-RS (PS3.18 Section 10.5), of partners that the configuration takes results back from.',
    needs: ['results:write'],
    bytes: stowBody,
    answer: stored,
  },
  {
    ...{ method: 'post', path: '/studies/{studyInstanceUid}', tag: 'results', status: 200 },
    summary: 'Returns what the partner made of one released study',
    description: 'STOW-RS (PS3.18 Section 10.5), of partners that the configuration takes results back from.',
    needs: ['results:write'],
    params: z.object(study),
    bytes: stowBody,
    answer: stored,
  },
];

export const otherOperations: readonly DescribedOperation[] = [
  {
    ...{ method: 'get', path: '/report-key', tag: 'account', status: 200 },
    summary: "The public key that proves the hub's de-identification reports, in PEM",
    description: 'For whoever has a token of the hub.',
    needs: [],
    answer: { 'application/x-pem-file': undefined },
  },
  {
    ...{ method: 'get', path: '/openapi.json', tag: 'account', status: 200 },
    summary: 'This description',
    answer: { 'application/json': z.record(z.string(), z.unknown()) },
  },
];
