/**
 * A real peer (DCMTK, Orthanc, …) that cannot be had on this machine.
 *
 * It fails the run, because a green run that tested nothing is a lie; with `HUB_TEST_PEERS=available` the tests that
 * need the peer are skipped instead, and the reason is printed.
 */
export class PeerUnavailable extends Error {
  override readonly name = 'PeerUnavailable';

  constructor(peer: string, reason: string, cause?: unknown) {
    super(`${peer} cannot be had: ${reason}`, { cause });
  }

  /** True when the person who started the run chose to go without the peers that are missing. */
  static isAccepted(error: unknown): error is PeerUnavailable {
    return error instanceof PeerUnavailable && process.env['HUB_TEST_PEERS'] === 'available';
  }
}
