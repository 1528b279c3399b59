/**
 * Words that identify nobody: what scanners and the standard write. They excuse a hit of the verification pass (a
 * removed description `BRAIN` does not make Body Part Examined suspicious), and they are all that Clean Descriptors keeps.
 */
import { allTags, keywordOf } from '../../core/dicom/dictionary.ts';

const WORDS = `
abdomen adc adni afi all angio ankle anon anonymized anonymous aorta apparent arm arterial asl asset auto average axial
b0 b1 back ball bias black blade blood bold body bone brain breast bssfp bvalue calf calibration cardiac cerebellum
cerebral cervical chest cine circle ciss coil composite contrast cor coronal correction cortex csi csf ct cube curve
dark data default delayed delta derived dess dicom diff diffusion dir direction distortion dixon dsc dti dual dwi dynamic
echo ecg elastography elbow enhanced epi epi2d epse ernst exponential fa fast fat fatsat fba fbirn fe fgre field filter
fine first fisp flair flash flow fmri foot forearm fractional frame free fse fsl fspgr full function functional gain gate gated
gradient grappa gre group hand haste hand head heart hip hippocampus high hires hr image images imaging in init interleaved
inversion iso isotropic kidney knee label large lat left leg liver localiser localizer loc long longitudinal lower lspine lumbar
lung magnitude map mapping mask mb mean medic mean medium mip model moco modified mosaic motion mouse mp2rage mpr
mprage mr mra mrcp mri mrs msme multi multiband muscle navigator navi nav neck neuro noise non none norm normal
opposed optic optimized orbit original original other out pancreas parallel pass patient pa ap pc pcasl pd pelvis perf perfusion
phase phantom phys pilot pituitary plane post pre press primary projection prone propeller prospective proton prostate
protocol proton qsm quality quick radial raw rapid rare rat recon reference reformatted registration rest resting
resolution restore rf right rl lr rodent routine rsfmri sag sagittal sat scan scout se secondary segment sense series shim short
shoulder si sinus single slab slice slices slow small smart snr space spair spectroscopy spgr spin spine spiral spleen spl spoiled
stack standard stir structural study subject supine survey susceptibility swi t1 t2 t1w t2w t2star t2map t1map te test tfe tfl
thick thigh thin thoracic thorax three through time tir tirm tof tone torso tra trace transversal transverse trig trufi true
tse tsp tumor turbo two ti tr uniform unknown upper vein vertebra vessel vibe view vista volume wave weighted whole wip
with without water wrist zoom 2d 3d 4d 2dfl 3dfl ep2d tfl3d tfl3d1 tse2d fl2d fl3d se2d epfid2d fid
hfs hfp ffs ffp min max sd std dev off on yes no male female unspecified removed modified unmodified
siemens healthineers healthcare ge medical systems philips canon toshiba hitachi bruker biospec bruker biospin agilent varian
mr solutions united imaging uih fujifilm hologic carestream agfa fuji esaote neusoft mediso aspect siemens
magnetom trio triotim verio skyra prisma vida sola lumina aera avanto espree symphony signa discovery architect premier optima
achieva ingenia ambition elition intera gyroscan paravision syngo
radiology hospital clinic department university institute imaging center centre laboratory research mri
iso_ir derived mixed mosaic dcm sct srt ucum ln umls
`;

/** Tokens as `tokensOf` makes them. */
const safeWords = new Set(WORDS.split(/\s+/).filter((word) => word !== ''));
// The names of attributes are no secret: a code meaning `Patient Position` is one of them.
for (const tag of allTags())
  for (const word of (keywordOf(tag) ?? '').split(/(?=[A-Z][a-z])/))
    if (word.length >= 4) safeWords.add(word.toLowerCase());

/** Letters and digits, lower case. */
export function tokensOf(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((token) => token !== '');
}

/** A word of the list, or too short or too numeric to identify: up to three digits, with up to two letters as a unit. */
export function isSafeToken(token: string): boolean {
  return safeWords.has(token) || /^\d{1,3}[a-z]{0,2}$/.test(token) || token.length === 1;
}

/** True when every token is safe and there is one. */
export function isSafeText(text: string): boolean {
  const tokens = tokensOf(text);
  return tokens.length > 0 && tokens.every((token) => isSafeToken(token));
}
