/** What quality control may leave beside its own report, as DICOM objects. */

/** `sr`: measures as a structured report, `sc`: a page of pixels a scan, `pdf`: a report. */
export const QUALITY_OUTPUTS = ['sr', 'sc', 'pdf'] as const;
export type QualityOutput = (typeof QUALITY_OUTPUTS)[number];
