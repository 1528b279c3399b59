"""The model card, with the headings of CHAI's Applied Model Card; its figures are those of a `hub evaluate` report."""

TRAINED_ON = (
    'Synthetic heads: a brain inside procedural skull, muscle, fat, skin and air. The brain is in 30 % a union of '
    'ellipsoids; in 40 % one of 30 label maps of mice (10 of C57BL/6J, NeAt; 20 of FVB and rTg4510) in arbitrary tones; '
    'in 18 % one of 20 in-vivo T2w scans of mice, stripped, in tones bent at random; in 12 % the outline of one of two '
    'masks of rats. No scan of a head with its skull was trained on.'
)
LICENCE = (
    'The weights are given under Apache-2.0. The label maps and stripped scans (dama-lab/mouse-brain-atlas) and the rat '
    'masks (SHERM-rodentSkullStrip) are GPL-3.0 and are not in the package. Whether weights learnt from such data are a '
    'derived work of it is not settled in law: this is no legal advice, and who cannot accept the doubt uses weights '
    'trained without --brains, which need none of that data.'
)
GOAL = 'Mean Dice of at least 0.95 on anatomical scans with skull, 0.90 on EPI, none below 0.85'


def card(version, released, report, measured):
    cases = {each['name']: each['labels'][0]['scores'] for each in report['results']}
    results = [
        {'Label': f'{name}: Dice, HD95 mm, volume difference %', 'Value': figures(scores)}
        for name, scores in sorted(cases.items())
    ]
    synthetic = next(each for each in measured if each['case'].startswith('synthetic'))
    return {
        'BasicInfo': {
            'ModelName': 'rodent-brain',
            'ModelDeveloper': 'The imaging hub authors',
            'DeveloperContact': 'through the repository of the hub',
        },
        'ReleaseInfo': {
            'ReleaseStage': 'research',
            'ReleaseDate': released,
            'ReleaseVersion': version,
            'GlobalAvailability': 'with the hub, no restriction',
            'RegulatoryApproval': 'none; it is no medical device',
        },
        'ModelSummary': {
            'Summary': 'Finds the brain in MR scans of heads of mice and rats, for quality control and volumes.',
            'Keywords': ['mouse', 'rat', 'brain mask', 'skull stripping', 'T2w', 'T1w', 'EPI'],
        },
        'UsesAndDirections': {
            'IntendedUseAndWorkflow': 'Research: a mask for quality measures and for looking at, made while the animal '
            'is still in the magnet. A mask that is called unreliable is not to be used.',
            'PrimaryIntendedUsers': 'operators of preclinical MR scanners, and who looks after their data',
            'HowToUse': 'process: [{ segment: rodent-brain }] in a route, or hub segment SCAN --out DIR',
            'TargetedPatientPopulation': 'mice and rats, adult and nearly adult, heads with skull',
            'CautionedOutOfScopeSettings': 'humans and other animals; brains with a large part missing; volumes that a '
            'result depends on without somebody looking at the mask; any decision about a patient',
        },
        'Warnings': {
            'KnownRisksAndLimitations': [
                'Three heads with a reference are an indication, not a validation; there is no reference of a rat.',
                'EPI: where signal is lost near ears and nose the mask ends with the signal, or near it.',
                'Where the mask leaves the spinal cord is a guess among conventions.',
                'The tips of the paraflocculi are missed.',
                'A smooth ball of the size of a brain would be believed.',
                'Only the brain as a whole: no cortex, hippocampus, striatum, ventricles or cerebellum. Label maps with these '
                'exist for mice (30, GPL-3.0), but none of a head with its skull and none of a rat, so regions could be '
                'learnt and not be tested on what the model is for; a first training of them learnt nothing.',
            ],
            'KnownBiasesOrEthicalConsiderations': 'Anatomy of healthy and tau-transgenic mice of three strains; of rats '
            'two outlines. Young animals, tumours, strokes and implants are drawn, not seen.',
            'ClinicalRiskLevel': 'none: not for clinical use',
        },
        'TrustIngredients': {
            'AISystemFacts': {
                'OutcomesAndOutputs': 'probability that a voxel is brain; from it a mask, its volume, and whether it '
                'can be believed',
                'ModelType': '3D U-Net, 936,706 parameters, 64 x 96 x 64 voxels; two looks, the second fitted to what the '
                'first found and averaged over eight flips',
                'InputDataSource': 'magnitude images of any MR scanner, DICOM, ParaVision or NIfTI',
                'OutputAndInputDataTypes': 'volume in; mask and probability on the same voxels out',
                'DevelopmentDataCharacterization': TRAINED_ON,
                'BiasMitigationApproaches': 'contrast, size, proportions, orientation, resolution, coil and noise are '
                'drawn at random, far beyond what scanners do',
                'OngoingMaintenance': 'trained anew with the hub; processors/segment/training',
                'Security': 'runs without network and files, in a process of its own (ADR 0028)',
                'Transparency': LICENCE,
            },
            'TransparencyInformation': {
                'FundingSource': 'none',
                'ThirdPartyInformation': LICENCE,
                'StakeholdersConsulted': 'none',
            },
        },
        'KeyMetrics': {
            'UsefulnessUsabilityEfficacy': {
                'MetricGoal': GOAL,
                'Results': results,
                'Interpretation': 'The goal is reached on the T1w head alone. The references follow three conventions: one leaves out part '
                'of the ventral forebrain, one is drawn a voxel wider than the signal.',
                'TestType': 'external, retrospective',
                'TestingDataDescription': 'one T1w head, one template of heads at 0.3 mm, one EPI head, all mice',
                'ValidationProcessAndJustification': 'hub evaluate, on heads that never gave a gradient; earlier versions '
                'were looked at on them and the threshold chosen; of this one one interim state was, and nothing chosen by it',
            },
            'FairnessEquity': {
                'MetricGoal': 'as good on rats as on mice',
                'Results': [{'Label': 'rat T2w head', 'Value': 'looked at only: there is no reference'}],
                'Interpretation': 'not known',
                'TestType': 'none',
                'TestingDataDescription': 'one rat T2w head without a mask',
                'ValidationProcessAndJustification': 'the outline was looked at in three directions',
            },
            'SafetyReliability': {
                'MetricGoal': 'a mask that is wrong is called unreliable',
                'Results': [
                    {
                        'Label': 'synthetic heads of held-out seeds, one look: Dice mean, 10th percentile, least',
                        'Value': f'{synthetic["dice_mean"]}, {synthetic["dice_p10"]}, {synthetic["dice_min"]}',
                    },
                    {
                        'Label': 'synthetic heads of held-out seeds by their verdict: masks, mean Dice, least',
                        'Value': 'reliable: 58, 0.943, 0.857; unreliable: 22, 0.932, 0.707',
                    },
                    {'Label': 'verdict on heads, brains and deliberate failures', 'Value': 'table in docs/adr/0028'},
                ],
                'Interpretation': 'limits were set on the real scans and the failures, not on the synthetic heads',
                'TestType': 'internal',
                'TestingDataDescription': 'real heads, stripped brains, and scans that hold no whole brain',
                'ValidationProcessAndJustification': 'npm run bench -- reliability',
            },
        },
        'Resources': {
            'EvaluationReferences': 'processors/segment/training/README.md',
            'PeerReviewedPublications': 'none',
            'PatientConsentOrDisclosure': 'not applicable: animals',
        },
        'Bibliography': 'SynthSeg (Billot et al. 2023) and SynthStrip (Hoopes et al. 2022): learning from label maps in '
        'arbitrary contrasts.',
    }


def figures(scores):
    return f'{scores["dice"]:.3f}, {scores["hd95Mm"]:.2f}, {scores["volumeDifferencePercent"]:+.0f}'
