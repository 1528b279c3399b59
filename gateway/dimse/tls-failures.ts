/** Why a TLS handshake came to nothing, in words: the codes are OpenSSL's and Node's, and say nothing to who runs a scanner. */

/** Each is what a log line and the list of refused callers say. */
export const TLS_FAILURES = {
  plain: 'TLS: it spoke plain text',
  noCertificate: 'TLS: no client certificate',
  untrusted: 'TLS: client certificate of no trusted authority',
  expired: 'TLS: client certificate expired',
  notYetValid: 'TLS: client certificate not valid yet',
  revoked: 'TLS: client certificate revoked',
  noRevocationList: 'TLS: no valid revocation list',
  nothingCommon: 'TLS: no version or cipher in common',
  hubUntrusted: "TLS: it does not trust the hub's certificate",
  other: 'TLS: handshake failed',
} as const;

export type TlsFailure = (typeof TLS_FAILURES)[keyof typeof TLS_FAILURES];

const BY_CODE: ReadonlyMap<string, TlsFailure> = new Map([
  ['ERR_SSL_WRONG_VERSION_NUMBER', TLS_FAILURES.plain],
  ['ERR_SSL_HTTP_REQUEST', TLS_FAILURES.plain],
  ['ERR_SSL_HTTPS_PROXY_REQUEST', TLS_FAILURES.plain],
  ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', TLS_FAILURES.noCertificate],
  ['CERT_HAS_EXPIRED', TLS_FAILURES.expired],
  ['CERT_NOT_YET_VALID', TLS_FAILURES.notYetValid],
  ['CERT_REVOKED', TLS_FAILURES.revoked],
  ['CRL_HAS_EXPIRED', TLS_FAILURES.noRevocationList],
  ['CRL_NOT_YET_VALID', TLS_FAILURES.noRevocationList],
  ['CRL_SIGNATURE_FAILURE', TLS_FAILURES.noRevocationList],
  ['UNABLE_TO_GET_CRL', TLS_FAILURES.noRevocationList],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', TLS_FAILURES.untrusted],
  ['UNABLE_TO_GET_ISSUER_CERT', TLS_FAILURES.untrusted],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', TLS_FAILURES.untrusted],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', TLS_FAILURES.untrusted],
  ['SELF_SIGNED_CERT_IN_CHAIN', TLS_FAILURES.untrusted],
  ['CERT_SIGNATURE_FAILURE', TLS_FAILURES.untrusted],
  ['CERT_UNTRUSTED', TLS_FAILURES.untrusted],
  ['ERR_SSL_NO_SHARED_CIPHER', TLS_FAILURES.nothingCommon],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', TLS_FAILURES.nothingCommon],
  ['ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM', TLS_FAILURES.nothingCommon],
  ['ERR_SSL_NO_SUITABLE_KEY_SHARE', TLS_FAILURES.nothingCommon],
]);
/** What the peer itself complains of: alerts of RFC 8446 Section 6.2, under names that changed between versions of OpenSSL. */
const ALERT_ABOUT_US =
  /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_(?:EXPIRED|REVOKED|UNKNOWN)|UNSUPPORTED_CERTIFICATE)$/;

/** @param code - of the error, or of the verification of the peer's certificate */
export function tlsFailure(code: string): TlsFailure {
  return BY_CODE.get(code) ?? (ALERT_ABOUT_US.test(code) ? TLS_FAILURES.hubUntrusted : TLS_FAILURES.other);
}
