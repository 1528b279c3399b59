/** `/api/v1`: the operations behind their roles, each change with an audit event. */
import express, { type Request, type RequestHandler, Router } from 'express';
import { HubError, toHubError } from '../core/errors.ts';
import { methodsByPath, otherMethods } from '../core/other-methods.ts';
import type { Identity } from '../core/ports.ts';
import { administrationOperations } from './administration.ts';
import { commitmentOperations } from './commitments.ts';
import { configurationOperations } from './configuration.ts';
import { deliveryOperations } from './deliveries.ts';
import { destinationOperations } from './destinations.ts';
import { doorOperations } from './doors.ts';
import { openApiDocument } from './openapi.ts';
import type { Operation } from './operation.ts';
import type { ApiPorts } from './ports.ts';
import { partnerOperations } from './partners.ts';
import { pullOperations } from './pulls.ts';
import { qualityOperations } from './quality.ts';
import { qualityPageOperations } from './quality-pages.ts';
import { quarantineOperations } from './quarantine.ts';
import { reidentifyOperations } from './reidentify.ts';
import { READERS, REIDENTIFIERS } from './roles.ts';
import { studyOperations } from './studies.ts';

const VERSION = '1.0.0';
/** A configuration that is to be tried is the largest thing anybody sends here. */
const BODY_LIMIT = '2mb';
/** A page of ours shows pictures that stand in it, and does nothing else, whatever came into it. */
const PAGE_POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

function apiOperations(ports: ApiPorts): readonly Operation[] {
  return [
    ...studyOperations(ports),
    ...deliveryOperations(ports),
    ...destinationOperations(ports),
    ...quarantineOperations(ports),
    ...qualityOperations(ports),
    ...qualityPageOperations(ports),
    ...reidentifyOperations(ports),
    ...commitmentOperations(ports),
    ...pullOperations(ports),
    ...doorOperations(ports),
    ...partnerOperations(ports),
    ...administrationOperations(ports),
    ...configurationOperations(ports),
  ];
}

/** To be mounted at `/api/v1`. */
export function createApiRouter(ports: ApiPorts): Router {
  const operations = apiOperations(ports);
  const document = openApiDocument(operations, VERSION);
  const router = Router();
  // The description holds nothing of this hub's; tools fetch it before they have a token.
  router.get('/openapi.json', (_request, response) => {
    response.json(document);
  });
  router.all('/openapi.json', otherMethods(['GET']));
  router.use(ports.access.require(...READERS, ...REIDENTIFIERS), express.json({ limit: BODY_LIMIT, strict: true }));
  for (const each of operations) {
    router[each.method](each.path.replace(/\{(\w+)\}/g, ':$1'), serve(each, ports));
  }
  for (const [path, methods] of methodsByPath(operations)) router.all(path, otherMethods(methods));
  return router;
}

function serve(each: Operation, ports: ApiPorts): RequestHandler {
  return async (request, response) => {
    const identity = ports.access.identityOf(request);
    try {
      if (!each.roles.includes(identity.role)) {
        throw new HubError('request.forbidden', { detail: `needs one of the roles ${each.roles.join(', ')}` });
      }
      const { answer, subject } = await each.perform(request, identity);
      if (each.audit !== undefined) await audit(ports, identity, each.audit, subject, 'done');
      response.setHeader('Cache-Control', 'no-store');
      response.status(each.status);
      if (each.isPage) response.setHeader('Content-Security-Policy', PAGE_POLICY).type('html').send(answer);
      else response.json(answer);
    } catch (error) {
      // What was tried and refused is worth as much to an auditor as what was done.
      if (each.audit !== undefined && isRefusal(error)) {
        await audit(ports, identity, each.audit, subjectOf(request, each), 'refused');
      }
      throw error;
    }
  };
}

async function audit(
  { ledger, log }: ApiPorts,
  { actor, role }: Identity,
  action: string,
  subject: string,
  outcome: 'done' | 'refused',
): Promise<void> {
  await ledger.events.append([
    { type: 'action.audited', stream: 'hub.audit.v1', key: actor, data: { actor, role, action, subject, outcome } },
  ]);
  log.info('action audited', { actor, role, action, subject, outcome });
}

function isRefusal(error: unknown): boolean {
  const { http } = toHubError(error).row;
  return http >= 400 && http < 500;
}

/** A path parameter as sent may be anything: only what could be an identifier goes into the audit. */
function subjectOf(request: Request, { path }: Operation): string {
  const [value] = Object.values(request.params);
  return typeof value === 'string' && /^[A-Za-z0-9.-]{1,64}$/.test(value) ? value : path;
}
