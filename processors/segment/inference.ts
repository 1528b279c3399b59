/** The network of a model by its manifest: a tensor of the shape it names goes in, one of the shape it promises comes out. */
import type { Model } from './manifest.ts';
import { openNetwork, type Pass } from './network.ts';

/** Output values, channel-major as the network gives them. */
export type Inference = Pass;

/** An open network: one child, several passes, closed at the end of the job. */
export interface InferenceSession {
  /** @throws {HubError} `model.invalid`, `processor.failed`, `processor.timeout` */
  run(input: Float32Array): Promise<Inference>;
  close(): Promise<void>;
}

/**
 * Starts the child and loads the model there.
 *
 * @param signal - aborts by killing the child
 */
export async function openInference({ manifest, file }: Model, signal: AbortSignal): Promise<InferenceSession> {
  const { inputs, outputs } = manifest.network_data_format;
  const [[inputName, input] = ['', undefined]] = Object.entries(inputs);
  const [[outputName, output] = ['', undefined]] = Object.entries(outputs);
  const network = await openNetwork(
    {
      name: manifest.name,
      file,
      sha256: manifest.onnx.sha256,
      inputName,
      outputName,
      maxSeconds: manifest.limits.max_seconds,
    },
    signal,
  );
  const inputShape = [1, input?.num_channels ?? 1, ...(input?.spatial_shape ?? [])];
  const outputShape = [1, output?.num_channels ?? 0, ...(output?.spatial_shape ?? [])];
  return { run: (values) => network.run(values, inputShape, outputShape), close: () => network.close() };
}
