/** The DIMSE doors of the configuration: who may call, what is to be had, TLS, storage commitment. */
import * as z from 'zod';
import { duration, size } from '../core/quantities.ts';
import { partialCompletion, sourceQuery } from './completion.ts';
import { aeTitle, entryName, peerHost, port, secret, singleHost } from './entries.ts';
import { sameUid } from './storage.ts';

const certificate = z
  .strictObject({
    subject: z
      .string()
      .regex(/^\s*[A-Za-z][A-Za-z0-9.]*=.+$/, 'not a subject like CN=pv-7t, O=Hospital')
      .optional()
      .describe('Each attribute must stand in the certificate'),
    sha256: z
      .array(z.string().regex(/^([0-9A-Fa-f]{2}:?){32}$/, 'not a SHA-256 fingerprint: 32 hexadecimal bytes'))
      .min(1)
      .optional(),
  })
  .refine(({ subject, sha256 }) => subject !== undefined || sha256 !== undefined, 'needs subject, sha256 or both');

const sourceCommitment = z
  .strictObject({
    sameAssociation: z.boolean().default(true),
    host: singleHost.optional(),
    port: z.int().min(1).max(65_535).optional(),
    aeTitle: aeTitle.optional(),
    tls: z.boolean().default(false),
  })
  .refine(({ host, port: number }) => (host === undefined) === (number === undefined), 'host and port belong together')
  .refine(
    ({ host, sameAssociation }) => host !== undefined || sameAssociation,
    'without host the result can go nowhere',
  )
  .transform(({ sameAssociation, host, port: number, aeTitle: title, tls }) => ({
    triesSameAssociation: sameAssociation,
    ...(host === undefined || number === undefined ? {} : { address: { host, port: number, aeTitle: title, tls } }),
  }));

const source = z
  .strictObject({
    name: entryName,
    aeTitle,
    hosts: z.array(peerHost).min(1),
    certificate: certificate.optional(),
    userIdentity: z.strictObject({ username: z.string().min(1).max(1024), passcode: secret.optional() }).optional(),
    partner: entryName.optional().describe('What comes from here is what this partner returns'),
    maxAssociations: z.int().min(1).max(1000).optional(),
    idle: duration('1s', '1d').optional(),
    storageCommitment: sourceCommitment.optional(),
    completion: partialCompletion.optional(),
    query: sourceQuery.optional(),
    sameUid: sameUid.optional(),
  })
  .transform(({ idle, ...rest }) => ({ ...rest, ...(idle === undefined ? {} : { idleMs: idle }) }));

const title = z.strictObject({
  aeTitle,
  sources: z.array(entryName).min(1).optional(),
  sopClasses: z
    .array(z.string().regex(/^[0-9.]{1,64}$/, 'not a SOP Class UID'))
    .min(1)
    .optional(),
  storageCommitment: z.boolean().default(true),
});

const tls = z
  .strictObject({
    port: port.optional(),
    certificate: secret,
    key: secret,
    ca: secret.optional(),
    crl: secret.optional().describe('Revocation lists in PEM, one of each authority'),
    clientCertificates: z.enum(['none', 'optional', 'required']).default('required'),
    minVersion: z.enum(['1.2', '1.3']).default('1.2'),
    handshake: duration('1s', '5m').prefault('10s'),
    reload: duration('1s', '1d').prefault('60s'),
  })
  .refine(({ clientCertificates, ca }) => clientCertificates === 'none' || ca !== undefined, {
    path: ['ca'],
    message: 'client certificates are checked against ca: name it, or set clientCertificates: none',
  })
  .refine(({ ca, crl }) => crl === undefined || ca !== undefined, {
    path: ['crl'],
    message: 'a revocation list is one of an authority that ca names: name that',
  })
  .transform(({ handshake, reload, ...rest }) => ({ ...rest, handshakeMs: handshake, reloadMs: reload }));

const commitment = z
  .strictObject({
    wait: duration('0s', '10m').prefault('30s'),
    maxInstances: z.int().min(1).max(100_000).default(50_000),
    response: duration('1s', '10m').prefault('30s'),
    retry: z
      .strictObject({
        attempts: z.int().min(1).max(1000).default(20),
        firstDelay: duration('1s', '1d').prefault('10s'),
        maxDelay: duration('1s', '7d').prefault('30m'),
      })
      .prefault({})
      .transform(({ attempts, firstDelay, maxDelay }) => ({
        attempts,
        firstDelayMs: firstDelay,
        maxDelayMs: maxDelay,
      })),
  })
  .prefault({})
  .transform(({ wait, maxInstances, response, retry }) => ({
    waitMs: wait,
    maxItems: maxInstances,
    responseMs: response,
    retry,
  }));

/** `gateway.dimse` */
export const dimse = z
  .strictObject({
    host: singleHost.default('0.0.0.0'),
    port: port.default(11_112),
    aeTitle: z.union([aeTitle, z.array(aeTitle).min(1)]).prefault('HUB'),
    titles: z.array(title).default([]),
    sources: z.array(source).default([]),
    maxAssociations: z.int().min(1).max(1000).default(25),
    maxAssociationsPerAddress: z.int().min(1).max(1000).optional(),
    maxPduLength: size('16KiB', '256KiB').prefault('128KiB'),
    timeouts: z
      .strictObject({
        associate: duration('1s', '10m').prefault('30s'),
        idle: duration('1s', '1d').prefault('10m'),
        progress: duration('1s', '10m').prefault('30s'),
        release: duration('100ms', '1m').prefault('5s'),
      })
      .prefault({})
      .transform(({ associate, idle, progress, release }) => ({
        associationMs: associate,
        idleMs: idle,
        progressMs: progress,
        closeMs: release,
      })),
    storageCommitment: commitment,
    tls: tls.optional(),
  })
  .transform(({ aeTitle: one, titles, maxPduLength, ...rest }) => ({
    ...rest,
    aeTitles: [...new Set([...[one].flat(), ...titles.map((each) => each.aeTitle)])],
    // A title described under `titles` is what it says there.
    titles: [...titles, ...[one].flat().map((each) => ({ aeTitle: each, storageCommitment: true }))],
    maxPduLengthBytes: maxPduLength,
  }));
