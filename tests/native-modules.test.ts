import { expect } from 'chai';
import * as onnx from 'onnxruntime-node';

// Install scripts are never run here; a native module that needs its own would be found out in the field otherwise.
describe('the native modules', () => {
  it('load as npm unpacked them', () => {
    const backends = onnx.listSupportedBackends();

    expect(backends.map(({ name }) => name)).to.include('cpu');
  });
});
