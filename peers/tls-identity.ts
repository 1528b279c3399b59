/** Who the hub trusts over TLS, and who it is: the same for destinations and for sources that are asked. */

/** PEM texts: authorities to trust in place of the usual ones, and who we are. */
export interface TlsIdentity {
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** As Node's `tls` wants it. */
export function tlsOptions({ ca, certificate, key }: TlsIdentity = {}): {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
} {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
  };
}
