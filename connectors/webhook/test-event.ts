/** An event that says only that it came: in no stream, for an endpoint to answer like any event it does not know. */

export const TEST_EVENT = 'hub.connection.tested.v1';

/** As CloudEvents 1.0 structured JSON. @param time - when it was asked for; the same for each attempt */
export function formatTestEvent(hubName: string, id: string, time?: string): string {
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: `urn:hub:${hubName}`,
    type: TEST_EVENT,
    ...(time === undefined ? {} : { time }),
    datacontenttype: 'application/json',
    data: {},
  });
}
