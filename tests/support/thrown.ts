import { HubError } from '../../core/errors.ts';

/** The HubError a promise is rejected with. @throws {Error} when it is fulfilled, or rejected with something else */
export async function thrownBy(promise: Promise<unknown>): Promise<HubError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof HubError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
