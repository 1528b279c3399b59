/** What may be said of an output whose pixels were looked at: no option of the profile is claimed that did not run on it. */
import { TAG } from '../../../core/dicom/tags.ts';
import type { CompiledPlan } from '../compiled-plan.ts';
import type { AttributeChange, PixelClaims, PixelsCleaned, PixelsUntouched } from './cleaning.ts';

const TEXT_OPTION = 'clean-pixel-data';
const FACE_OPTION = 'clean-recognizable-visual-features';

const NOTHING_CLAIMED: PixelClaims = {
  isFreeOfText: false,
  isFreeOfFaces: false,
  framesBlanked: 0,
  regionsBlanked: 0,
  textsFound: 0,
  isDefaced: false,
};

export const UNTOUCHED: PixelsUntouched = { outcome: 'untouched', claims: NOTHING_CLAIMED };

/** As long as the plans they were made from. */
const claimed = new WeakMap<CompiledPlan, Map<string, CompiledPlan>>();

/** The plan with the two options of pixels in it that ran on this instance, and no other: one plan for all alike. */
export function withClaims(plan: CompiledPlan, { isFreeOfText, isFreeOfFaces }: PixelClaims): CompiledPlan {
  const name = `${String(isFreeOfText)}/${String(isFreeOfFaces)}`;
  const plans = claimed.get(plan) ?? new Map<string, CompiledPlan>();
  claimed.set(plan, plans);
  const known = plans.get(name) ?? claiming(plan, isFreeOfText, isFreeOfFaces);
  plans.set(name, known);
  return known;
}

function claiming(plan: CompiledPlan, isFreeOfText: boolean, isFreeOfFaces: boolean): CompiledPlan {
  const others = plan.plan.options.filter((option) => option !== TEXT_OPTION && option !== FACE_OPTION);
  const ran = [...(isFreeOfText ? ([TEXT_OPTION] as const) : []), ...(isFreeOfFaces ? ([FACE_OPTION] as const) : [])];
  return { ...plan, plan: { ...plan.plan, options: [...others, ...ran].toSorted() } };
}

/** PS3.15 Sections E.3.1 and E.3.2: (0028,0301) and (0028,0302) say NO only where that is so. Ascending by tag. */
export function changesFor(cleaned: PixelsUntouched | PixelsCleaned): readonly AttributeChange[] {
  const { isFreeOfText, isFreeOfFaces } = cleaned.claims;
  const changes: AttributeChange[] = cleaned.outcome === 'cleaned' ? [...cleaned.attributes] : [];
  if (isFreeOfText) changes.push({ tag: TAG.BurnedInAnnotation, vr: 'CS', value: 'NO' });
  if (isFreeOfFaces) changes.push({ tag: TAG.RecognizableVisualFeatures, vr: 'CS', value: 'NO' });
  return changes.toSorted((one, other) => one.tag - other.tag);
}
