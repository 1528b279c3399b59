/** The codecs' WebAssembly, loaded when the first compressed frame of a thread comes: native ones do without. */
import { createRequire } from 'node:module';

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

async function load(): Promise<Library> {
  const { default: library } = await import('dcmjs-codecs');
  const path = createRequire(import.meta.url).resolve(WASM);
  await library.NativeCodecs.initializeAsync({ webAssemblyModulePathOrUrl: path, logCodecsInfo: false });
  return library;
}
