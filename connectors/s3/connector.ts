/** Delivers into a bucket: each file an object that is created or left alone, and the study's manifest last, as the commit mark. */
import type { Diagnosis } from '../../core/diagnosis.ts';
import type { Connector, ConnectorContext, ProbeContext } from '../../core/plugins.ts';
import { studyTurns } from '../study-turns.ts';
import { type BucketOptions, openBucket } from './bucket.ts';
import type { S3Options } from './options.ts';
import { probeS3 } from './probe.ts';
import { deliverStudy, reconcileStudy } from './study-objects.ts';

export function open(given: S3Options, context: ConnectorContext): Connector {
  const bucket = openBucket(bucketOptions(given, context));
  const turns = studyTurns();
  return {
    deliver: (order, onDelivered) =>
      turns.run(order.studyInstanceUid, () => deliverStudy(bucket, context.store, given, order, onDelivered)),
    reconcile: (order) => reconcileStudy(bucket, given, order),
    close: async () => {
      await turns.idle();
      bucket.close();
    },
  };
}

export function probe(given: S3Options, context: ProbeContext): AsyncIterable<Diagnosis> {
  return probeS3(given, () => bucketOptions(given, context), context);
}

/** @throws {HubError} `config.invalid` when a secret cannot be had */
function bucketOptions(given: S3Options, { secret }: Pick<ConnectorContext, 'secret'>): BucketOptions {
  const { bucket, region, endpoint, forcePathStyle, prefix, credentials, ca, timeouts } = given;
  const read =
    credentials === undefined
      ? undefined
      : () => ({
          accessKeyId: secret(credentials.accessKeyId),
          secretAccessKey: secret(credentials.secretAccessKey),
          ...(credentials.sessionToken === undefined ? {} : { sessionToken: secret(credentials.sessionToken) }),
        });
  // What is missing shows at the start, not at the first study.
  read?.();
  return {
    ...{ bucket, region, endpoint, forcePathStyle, prefix },
    credentials: read,
    ca: ca === undefined ? undefined : secret(ca),
    connectTimeoutMs: timeouts.connect,
    idleTimeoutMs: timeouts.idle,
  };
}
