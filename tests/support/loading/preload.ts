/**
 * Loaded into each thread of a hub under test before anything else (`NODE_OPTIONS=--import …`): writes down what the thread
 * loads, line by line into the file that LOADED_MODULES names, and does as if the package in MISSING_PACKAGE were not there.
 */
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import process from 'node:process';
import { isMainThread, threadName } from 'node:worker_threads';

const file = process.env['LOADED_MODULES'];
const missing = process.env['MISSING_PACKAGE'];
const thread = isMainThread ? 'main' : (threadName ?? '');

registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier !== missing) return next(specifier, context);
    const message = `Cannot find package '${specifier}' imported from ${context.parentURL ?? ''}`;
    throw Object.assign(new Error(message), { code: 'ERR_MODULE_NOT_FOUND' });
  },
  load: (url, context, next) => {
    // One write a line: threads append beside each other.
    if (file !== undefined && url.startsWith('file:')) appendFileSync(file, `${thread} ${url}\n`);
    return next(url, context);
  },
});
