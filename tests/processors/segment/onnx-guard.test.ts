import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import { inspectOnnx } from '../../../processors/segment/onnx-guard.ts';
import { field } from '../../support/onnx-model.ts';

const BUNDLED = new URL('../../../processors/segment/models/rodent-brain/model.onnx', import.meta.url);

/** A model of one operator; numbers as in onnx.proto3. */
function model(given: { readonly node?: Buffer; readonly graph?: Buffer; readonly domain?: string } = {}): Buffer {
  const node = given.node ?? field(4, 'Relu');
  return Buffer.concat([
    field(1, 8),
    field(8, Buffer.concat([field(1, given.domain ?? ''), field(2, 17)])),
    field(7, Buffer.concat([field(1, node), given.graph ?? Buffer.alloc(0)])),
  ]);
}

function refusal(bytes: Uint8Array): string {
  try {
    inspectOnnx(bytes);
  } catch (error) {
    expect(error).to.be.instanceOf(HubError).with.property('code', 'model.invalid');
    return error instanceof HubError ? String(error.fields['detail']) : '';
  }
  return 'let through';
}

describe('the ONNX guard', () => {
  it('lets the bundled model through and names its operator set', () => {
    const summary = inspectOnnx(readFileSync(BUNDLED));

    expect(summary.opset).to.be.within(16, 18);
    expect([...summary.operators]).to.include('Conv');
  });

  const external = field(5, Buffer.concat([field(13, field(1, 'location')), field(14, 1)]));
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['an empty file', new Uint8Array(0), /not an ONNX model/],
    ['a text file', Buffer.from('this is not a network\n'), /not an ONNX model|cut off/],
    ['a PNG', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), /not an ONNX model|cut off/],
    ['a model without a graph', Buffer.concat([field(1, 8), field(8, field(2, 17))]), /not an ONNX model/],
    ['weights in another file', model({ graph: external }), /another file/],
    [
      'weights in another file, in an attribute',
      model({ node: Buffer.concat([field(4, 'Constant'), field(5, external)]) }),
      /another file/,
    ],
    [
      'weights in another file, as the default of an attribute of a function',
      Buffer.concat([model(), field(25, field(11, external))]),
      /another file/,
    ],
    [
      'a loop in the default of an attribute of a function',
      Buffer.concat([model(), field(25, field(11, field(6, field(1, field(4, 'Loop')))))]),
      /Loop/,
    ],
    [
      'a function that imports a strange operator set',
      Buffer.concat([model(), field(25, field(9, Buffer.concat([field(1, 'com.microsoft'), field(2, 1)])))]),
      /com\.microsoft/,
    ],
    [
      'a loop in a graph for training',
      Buffer.concat([model(), field(20, field(2, field(1, field(4, 'Loop'))))]),
      /Loop/,
    ],
    ['an endless loop', model({ node: field(4, 'Loop') }), /Loop/],
    [
      'a branch inside a sub-graph',
      model({ node: Buffer.concat([field(4, 'Relu'), field(5, field(6, field(1, field(4, 'If'))))]) }),
      /If/,
    ],
    [
      'an operator of a strange domain',
      model({ node: Buffer.concat([field(4, 'Relu'), field(7, 'evil.example')]) }),
      /evil\.example/,
    ],
    ['a strange operator set', model({ domain: 'com.microsoft' }), /com\.microsoft/],
  ];
  for (const [what, bytes, why] of cases) {
    it(`refuses ${what}`, () => {
      expect(refusal(bytes)).to.match(why);
    });
  }

  it('refuses the bundled model cut off anywhere', () => {
    const bytes = readFileSync(BUNDLED);

    for (const share of [0.1, 0.5, 0.9, 0.999]) {
      expect(refusal(bytes.subarray(0, Math.floor(bytes.length * share))), String(share)).to.match(
        /cut off|not an ONNX model/,
      );
    }
  });
});
