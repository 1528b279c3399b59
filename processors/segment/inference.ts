/** The network of a model, opened by its manifest. */
import { tensorsOf } from './manifest.ts';
import type { Model } from './model.ts';
import { type Network, openNetwork } from './network.ts';

/**
 * Starts the child and loads the model there.
 *
 * @param maxAnswers - it will be asked for
 * @param signal - aborts by killing the child
 */
export async function openInference(
  { manifest, file, allow }: Model,
  maxAnswers: number,
  signal: AbortSignal,
): Promise<Network> {
  const { inputName, outputName } = tensorsOf(manifest);
  const { max_seconds: maxSeconds, max_rss_mb: maxMemoryMb } = manifest.limits;
  const { name, onnx } = manifest;
  return openNetwork(
    { name, file, sha256: onnx.sha256, inputName, outputName, maxSeconds, maxMemoryMb, maxAnswers, allow },
    signal,
  );
}
