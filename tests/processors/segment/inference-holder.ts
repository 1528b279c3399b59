// A process that is in the middle of an inference until somebody kills it.
import { openInference } from '../../../processors/segment/inference.ts';
import { readModel } from '../../../processors/segment/model.ts';

const model = readModel(process.argv[2] ?? '');
const size = Number(process.argv[3]);
const network = await openInference(model, 1, new AbortController().signal);
const shape = [1, 1, size, size, size];
await network.run(new Float32Array(size ** 3).fill(1), shape, shape);
