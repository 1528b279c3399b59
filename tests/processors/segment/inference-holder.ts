// A process that is in the middle of an inference until somebody kills it.
import { openInference } from '../../../processors/segment/inference.ts';
import { readModel } from '../../../processors/segment/manifest.ts';

const model = readModel(process.argv[2] ?? '');
const [input] = Object.values(model.manifest.network_data_format.inputs);
const [x = 1, y = 1, z = 1] = input?.spatial_shape ?? [];
const session = await openInference(model, new AbortController().signal);
await session.run(new Float32Array(x * y * z).fill(1));
