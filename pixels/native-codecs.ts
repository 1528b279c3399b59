/** The codecs' WebAssembly, loaded when the first compressed frame of a thread comes: native ones do without. */
import { createRequire } from 'node:module';
import type { Context } from 'dcmjs-codecs';
import type { PixelDescription } from './description.ts';

type Library = typeof import('dcmjs-codecs');

const WASM = 'dcmjs-codecs/build/dcmjs-native-codecs.wasm';
let loaded: Promise<Library> | undefined;

export async function nativeCodecs(): Promise<Library> {
  loaded ??= load();
  return loaded;
}

/** After a trap the codecs' memory may be in any state: whoever is next gets fresh ones. */
export async function forgetNativeCodecs(): Promise<void> {
  const library = await loaded;
  loaded = undefined;
  library?.NativeCodecs.release();
}

/** What a codec works on: a frame of this description. @param bytes - decoded ones are the codec's own from now on: it may work in place */
export function codecContext(
  codecs: Library,
  description: PixelDescription,
  bytes: { readonly encodedBuffer: Uint8Array } | { readonly decodedBuffer: Uint8Array },
): Context {
  return new codecs.Context({
    width: description.columns,
    height: description.rows,
    bitsAllocated: description.bitsAllocated,
    bitsStored: description.bitsStored,
    samplesPerPixel: description.samplesPerPixel,
    pixelRepresentation: description.isSigned ? 1 : 0,
    planarConfiguration: 0,
    photometricInterpretation: description.photometricInterpretation,
    ...bytes,
  });
}

async function load(): Promise<Library> {
  const { default: library } = await import('dcmjs-codecs');
  const path = createRequire(import.meta.url).resolve(WASM);
  await library.NativeCodecs.initializeAsync({ webAssemblyModulePathOrUrl: path, logCodecsInfo: false });
  return library;
}
