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
ax asc desc int interl sms pf to rest1 rest2 run scan asl pcasl pasl ir bssfp vfa flow2d task
relaxation intensity deviation anisotropy tensor eigenvalue eigenvector signal fit
hfs hfp ffs ffp min max sd std dev off on yes no male female unspecified removed modified unmodified
siemens healthineers healthcare ge medical systems philips canon toshiba hitachi bruker biospec bruker biospin agilent varian
mr solutions united imaging uih fujifilm hologic carestream agfa fuji esaote neusoft mediso aspect siemens
magnetom trio triotim verio skyra prisma vida sola lumina aera avanto espree symphony signa discovery architect premier optima
achieva ingenia ambition elition intera gyroscan paravision syngo
radiology hospital clinic department university institute imaging center centre laboratory research mri
iso ir derived mixed mosaic dcm sct srt ucum ln umls snm3
ar bi bmd cr ct cta ctp dg dx ecg eeg eps es fa fs gm hc hd io iol ivoct ivus kex key ko ls lp mg mr nm oct op opt opv ot
pr pt px reg resp rf rg rtdose rtimage rtplan rtrecord rtstruct sc seg sm smr sr srf st tg us va xa xc
monochrome1 monochrome2 rgb palette color ybr
`;
/** What the standard enumerates where a code string says what an object is made of. */
const DEFINED_TERMS = `
container contains concept has obs context acq mod properties inferred selected separate continuous complete partial
verified unverified preliminary draft tcoord scoord scoord3d composite waveform uidref pname num code datetime date time
point multipoint multisegment begin polyline polygon circle ellipse ellipsoid ellipse interpolated closed pixel display
volume closed_planar closed_nonplanar open_planar open_nonplanar binary fractional labelmap manual semiautomatic automatic
dcmr yes no none unknown other quantity identical uniform reordered identity matched row col column feet supine recumbent
planar scalar spherical linear rectilinear reverse centric sparse dense helical sequenced spin gradient steady sharp soft
plain text smooth rounded left right center centered medial lateral proximal distal oblique tangential antero postero
`;

/** What institutions and addresses are called besides their names, in a few languages; no word for a description. */
const PLACE_WORDS = `
academic academy animal avenue building biomedical campus care cardiology central centrum city clinical clinics college
community core county diagnostic diagnostics district division east eastern europe facility faculty fakultat federal floor
foundation general group health hopital hospitals house imagerie inc infirmary inpatient institut instituto international
istituto klinik kliniken klinikum krankenhaus life limited main medicale medicin medicine medizin medizinische memorial
molecular national neurology neuroradiology neuroscience north northern nuclear oncology ospedale outpatient pediatric
pharma platform plaza polyclinic practice preclinical private public radiologie radiologia regional road room royal
sairaala sanatorium school science sciences scientific service services small society south southern specialty spital
state strasse street suite surgery surgical technology tower translational trust unit universidad universita
universitaire universitat universitats veterans veterinary west western women ziekenhuis
`;

/** Tokens as `tokensOf` makes them. */
const safeWords = new Set(`${WORDS} ${DEFINED_TERMS}`.split(/[\s_]+/).filter((word) => word !== ''));
// The names of attributes are no secret: a code meaning `Patient Position` is one of them.
for (const tag of allTags())
  for (const word of (keywordOf(tag) ?? '').split(/(?=[A-Z][a-z])/))
    if (word.length >= 4) safeWords.add(word.toLowerCase());

const placeWords = new Set(PLACE_WORDS.split(/\s+/).filter((word) => word !== ''));

/** A word that says nothing of whose a place is. */
export function isOrdinaryWord(token: string): boolean {
  return safeWords.has(token) || placeWords.has(token);
}

/** Letters and digits, lower case. */
export function tokensOf(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((token) => token !== '');
}

/** A word of the list, in lower case. */
export function isSafeWord(token: string): boolean {
  return safeWords.has(token);
}

/** A word of the list, or too short to identify: one or two digits, three with a unit. */
function isSafeToken(token: string): boolean {
  return safeWords.has(token) || /^(?:\d{1,2}[a-z]{0,2}|\d{3}[a-z]{1,2})$/.test(token) || token.length === 1;
}

/** True when every token is safe and one of them is a word: `123-45-678` is a number somebody has. */
export function isSafeText(text: string): boolean {
  const tokens = tokensOf(text);
  return tokens.some((token) => safeWords.has(token)) && tokens.every((token) => isSafeToken(token));
}

/** True when it is made of words of the list and nothing else: what even an identifier may be. */
export function isSafeWords(text: string): boolean {
  const tokens = tokensOf(text);
  return tokens.length > 0 && tokens.every((token) => safeWords.has(token));
}
