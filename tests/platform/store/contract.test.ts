import { mkdir, mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { openStore } from '../../../platform/store/open.ts';
import { describeStore, type StoreUnderTest } from '../../contracts/store.ts';
import { type S3Server, s3Secret, startS3Server } from '../../support/s3-server.ts';

describeStore('a local disk', async (): Promise<StoreUnderTest> => {
  const folder = await mkdtemp(join(tmpdir(), 'store-'));
  await mkdir(join(folder, 'store'));
  const { objects, shelf, results } = await openStore({ kind: 'file' }, folder, s3Secret);
  return {
    ...{ objects, shelf, results },
    cut: (pack, sizeBytes) => truncate(join(folder, pack), sizeBytes),
    remove: () => rm(folder, { recursive: true }),
  };
});

describe('S3', () => {
  let server: S3Server;
  before(async () => {
    server = await startS3Server();
  });
  after(() => server.stop());

  describeStore("a bucket of Versity's gateway", async (): Promise<StoreUnderTest> => {
    const bucket = await server.bucket();
    const store = await openStore({ kind: 's3', ...bucket.options }, '/nowhere', s3Secret);
    return {
      objects: store.objects,
      shelf: store.shelf,
      results: store.results,
      cut: async (pack, sizeBytes) => {
        const object = { Bucket: bucket.options.bucket, Key: `${bucket.options.prefix}${pack}` };
        const { Body } = await bucket.client.send(new GetObjectCommand(object));
        const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
        await bucket.client.send(new PutObjectCommand({ ...object, Body: bytes.subarray(0, sizeBytes) }));
      },
      remove: async () => {
        bucket.client.destroy();
        await store.close();
      },
    };
  });
});
