/** Which destinations report on storage commitments to the hub's own doors: for the connectors that ask, and the gateway that hears. */
import type { Reporter } from '../gateway/dimse/association-policy.ts';
import type { Config } from './shapes.ts';

type Destination = Config['destinations'][number];

/** The report finds a door: its provider calls the AE title that it was asked by (PS3.4 Section J.3.3). */
export function takesReports(destination: Destination, { aeTitles }: Config['gateway']['dimse']): boolean {
  return isAsked(destination) && aeTitles.some((title) => title === destination.callingAeTitle);
}

/** Who may call to report. */
export function reportersOf({ destinations, gateway }: Pick<Config, 'destinations' | 'gateway'>): readonly Reporter[] {
  return destinations.flatMap((destination) =>
    isAsked(destination) && takesReports(destination, gateway.dimse)
      ? [
          {
            destination: destination.name,
            aeTitle: destination.aeTitle,
            calledAeTitle: destination.callingAeTitle,
            hosts: [destination.host],
          },
        ]
      : [],
  );
}

function isAsked(destination: Destination): destination is Extract<Destination, { type: 'c-store' }> {
  return destination.type === 'c-store' && destination.verify === 'commitment';
}
