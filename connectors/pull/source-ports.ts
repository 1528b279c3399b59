/** What a source needs of the hub. */
import type { Intake } from '../../core/intake.ts';
import type { Moves } from './moves.ts';
import type { Throttle } from './throttle.ts';

export interface SourcePorts {
  readonly intake: Intake;
  readonly moves: Moves;
  readonly throttle: Throttle;
  readonly onBytes: (bytes: number) => void;
}
