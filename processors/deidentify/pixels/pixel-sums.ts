/** What was done to the pixels of a study, in numbers. */
import type { PixelClaims } from './cleaning.ts';

export interface PixelReport {
  /** Instances whose every frame was looked at for text, or whose device is known. */
  readonly instancesFreeOfText: number;
  readonly instancesFreeOfFaces: number;
  readonly instancesDefaced: number;
  readonly instancesBlanked: number;
  readonly framesBlanked: number;
  readonly regionsBlanked: number;
  readonly textsFound: number;
}

export class PixelSums {
  #sums: PixelReport = {
    instancesFreeOfText: 0,
    instancesFreeOfFaces: 0,
    instancesDefaced: 0,
    instancesBlanked: 0,
    framesBlanked: 0,
    regionsBlanked: 0,
    textsFound: 0,
  };

  add(claims: PixelClaims): void {
    const sums = this.#sums;
    const one = (isSo: boolean) => (isSo ? 1 : 0);
    this.#sums = {
      instancesFreeOfText: sums.instancesFreeOfText + one(claims.isFreeOfText),
      instancesFreeOfFaces: sums.instancesFreeOfFaces + one(claims.isFreeOfFaces),
      instancesDefaced: sums.instancesDefaced + one(claims.isDefaced),
      instancesBlanked: sums.instancesBlanked + one(claims.framesBlanked > 0),
      framesBlanked: sums.framesBlanked + claims.framesBlanked,
      regionsBlanked: sums.regionsBlanked + claims.regionsBlanked,
      textsFound: sums.textsFound + claims.textsFound,
    };
  }

  report(): PixelReport {
    return this.#sums;
  }
}
