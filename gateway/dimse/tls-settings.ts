/**
 * TLS of the DIMSE doors (PS3.15 Section B.12, BCP 195 RFC 8996, 9325 TLS Profile): what a server and a client of the hub
 * use, and the renewal of the certificate while the hub runs.
 */
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls';
import { HubError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';

/** PEM texts. */
export interface TlsMaterial {
  readonly certificate: string;
  readonly key: string;
  /** Authorities to trust, in place of the usual ones. */
  readonly ca?: string | undefined;
  /** Revocation lists, one of each authority there is in a chain. Absent: nothing is looked up. */
  readonly crl?: string | undefined;
}

export interface TlsOptionsOfDoor {
  /** Reads the material as it is now. @throws {HubError} `config.invalid` */
  readonly material: () => TlsMaterial;
  readonly clientCertificates: 'none' | 'optional' | 'required';
  readonly minVersion: '1.2' | '1.3';
  readonly handshakeMs: number;
  /** How often the material is compared with what is in use. */
  readonly reloadMs: number;
}

/** RFC 9325 Section 4.2 and, for TLS 1.3, RFC 8446: forward secrecy and authenticated encryption, nothing else. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');

export class TlsSettings {
  readonly #options: TlsOptionsOfDoor;
  readonly #log: Logger;
  readonly #listeners = new Set<(options: SecureContextOptions) => void>();
  #current: SecureContextOptions;
  #digest: string;
  #expiresAt: Date;
  #client: SecureContext | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @throws {HubError} `config.invalid` when the material cannot be read or does not fit together */
  constructor(options: TlsOptionsOfDoor, log: Logger) {
    this.#options = options;
    this.#log = log;
    const material = options.material();
    this.#digest = digestOf(material);
    this.#current = checked(material, options.minVersion);
    this.#expiresAt = endOf(material);
  }

  start(): void {
    this.#timer = setInterval(() => this.#renew(), this.#options.reloadMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** When the certificate in use ends. */
  get expiresAt(): Date {
    return this.#expiresAt;
  }

  serverOptions(): TlsOptions {
    const { clientCertificates, handshakeMs } = this.#options;
    return {
      ...this.#current,
      handshakeTimeout: handshakeMs,
      honorCipherOrder: true,
      requestCert: clientCertificates !== 'none',
      rejectUnauthorized: clientCertificates === 'required',
    };
  }

  /** As a client: the same certificate, the same authorities. */
  clientContext(): SecureContext {
    return (this.#client ??= createSecureContext(this.#current));
  }

  /** @returns its own removal */
  onRenewed(listener: (options: SecureContextOptions) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Associations keep the certificate they began with. A file that is half written is looked at again next time. */
  #renew(): void {
    try {
      const material = this.#options.material();
      const digest = digestOf(material);
      if (digest === this.#digest) return;
      this.#current = checked(material, this.#options.minVersion);
      this.#digest = digest;
      this.#expiresAt = endOf(material);
      this.#client = undefined;
      for (const listener of this.#listeners) listener(this.#current);
      this.#log.info('TLS certificate renewed');
    } catch (error) {
      this.#log.error('TLS certificate not renewed, the one before stays in use', { reason: String(error) });
    }
  }
}

/** @throws {HubError} `config.invalid` */
function checked({ certificate, key, ca, crl }: TlsMaterial, minVersion: '1.2' | '1.3'): SecureContextOptions {
  const options: SecureContextOptions = {
    cert: certificate,
    key,
    ...(ca === undefined ? {} : { ca }),
    ...(crl === undefined ? {} : { crl }),
    minVersion: `TLSv${minVersion}`,
    ciphers: CIPHERS,
  };
  try {
    // Node takes an empty key or crl for none, and an empty ca for the usual authorities: a file that is just being written.
    if (ca !== undefined) new X509Certificate(ca);
    if (crl?.includes('-----BEGIN X509 CRL-----') === false)
      throw new HubError('config.invalid', { detail: 'crl is no revocation list in PEM' });
    const isItsKey = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
    if (!isItsKey) throw new HubError('config.invalid', { detail: 'the key is not the one of the certificate' });
    createSecureContext(options);
    return options;
  } catch (error) {
    throw new HubError('config.invalid', { detail: `gateway.dimse.tls: ${mistakeIn(error)}` }, error);
  }
}

/** What Node and OpenSSL say of a key is kept out of logs. */
function mistakeIn(error: unknown): string {
  if (error instanceof HubError) return String(error.fields['detail']);
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'not PEM';
  return `certificate, key, ca and crl cannot be used together (${code})`;
}

/** Of the hub's own certificate, which is the first. */
function endOf({ certificate }: TlsMaterial): Date {
  return new X509Certificate(certificate).validToDate;
}

function digestOf({ certificate, key, ca = '', crl = '' }: TlsMaterial): string {
  return createHash('sha256')
    .update(JSON.stringify([certificate, key, ca, crl]))
    .digest('hex');
}
