/** JSON Schema of every event, made from the schemas that events are checked with: `/schemas/<wire type>.json`. */
import { Router } from 'express';
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import { EVENTS, type EventType, wireType } from '../../core/events.ts';
import { otherMethods } from '../../core/other-methods.ts';

export function schemaRouter(): Router {
  let made: ReadonlyMap<string, object> | undefined;
  // When somebody asks for one: a start need not wait for them.
  const documents = () => (made ??= new Map(Object.entries(eventSchemas())));
  const router = Router();
  router.get('/', (_request, response) => {
    response.json({ schemas: [...documents().keys()].map((name) => `/schemas/${name}`) });
  });
  router.get(['/:name', '/partner/:name'], (request, response) => {
    const document = documents().get(request.path.slice(1));
    if (document === undefined) throw new HubError('resource.not-found');
    response.type('application/schema+json').send(JSON.stringify(document));
  });
  router.all(['/', '/:name', '/partner/:name'], otherMethods(['GET']));
  return router;
}

/** By file name below `/schemas/`: `hub.study.completed.v1.json`, `partner/hub.study.processed.v1.json`. */
function eventSchemas(): Readonly<Record<string, object>> {
  const documents: Record<string, object> = {};
  const add = (file: string, type: EventType, about: string, schema: z.ZodType) => {
    // Readers must let through fields that a later minor version adds, though we are strict when we publish.
    const { $schema, ...body } = z.toJSONSchema(schema, {
      override: ({ jsonSchema }) => {
        if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      },
    });
    documents[file] = { $schema, $id: `/schemas/${file}`, title: wireType(type), description: about, ...body };
  };
  for (const type of eventTypes()) {
    const entry = EVENTS[type];
    add(`${wireType(type)}.json`, type, entry.about, entry.data);
    if ('partner' in entry) add(`partner/${wireType(type)}.json`, type, entry.about, entry.partner);
  }
  return documents;
}

function eventTypes(): readonly EventType[] {
  return Object.keys(EVENTS).filter((type): type is EventType => type in EVENTS);
}
