/** What a segmentation is given out as. */

/** `seg`: the masks, `sr`: numbers as a structured report, `sc`: a page of pixels a scan, `pdf`: a report, `nifti`: a BIDS folder. */
export const SEGMENT_OUTPUTS = ['seg', 'sr', 'sc', 'pdf', 'nifti'] as const;
export type SegmentOutput = (typeof SEGMENT_OUTPUTS)[number];
