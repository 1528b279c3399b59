/** What DICOMweb resources answer to a method that they have not got. To be mounted before the services. */
import { Router } from 'express';
import { otherMethods } from '../../core/other-methods.ts';

const STUDY = '/studies/:study';
const SERIES = `${STUDY}/series/:series`;
const INSTANCE = `${SERIES}/instances/:instance`;
const FRAMES = `${INSTANCE}/frames/:frames`;

/** PS3.18 Tables 10.4.1-1, 10.5.1-1 and 10.6.1-1, as far as they are served. */
const STORED_AND_READ = ['/studies', STUDY];
const READ = [
  ...['/series', '/instances', `${STUDY}/series`, `${STUDY}/instances`, SERIES, `${SERIES}/instances`, INSTANCE],
  ...[STUDY, SERIES, INSTANCE].map((level) => `${level}/metadata`),
  ...[STUDY, SERIES, INSTANCE, FRAMES].flatMap((level) => [`${level}/rendered`, `${level}/thumbnail`]),
  ...[FRAMES, `${INSTANCE}/bulkdata/*path`],
];

export function otherDicomWebMethods(): Router {
  const router = Router();
  router.all(STORED_AND_READ, otherMethods(['GET', 'POST']));
  router.all(READ, otherMethods(['GET']));
  return router;
}
