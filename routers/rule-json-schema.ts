/** What an editor is told about `when`. The hub itself says more: it knows the data dictionary. */

const scalar = { type: ['string', 'number'] };
const test = {
  anyOf: [
    scalar,
    { type: 'array', items: scalar, minItems: 1 },
    {
      type: 'object',
      minProperties: 1,
      additionalProperties: false,
      properties: {
        matches: { type: 'string', format: 'regex', description: 'Regular expression, anywhere in the value' },
        ignoreCase: { type: 'boolean', description: 'Of matches: upper and lower case are the same' },
        like: { type: 'string', description: 'Whole value; * any run of characters, ? one; case does not matter' },
        exists: { type: 'boolean', description: 'The attribute has a value, or has none' },
        absent: { const: true, description: 'The same as exists: false' },
        gte: { ...scalar, description: 'Greater than or equal: numbers, dates, times, ages' },
        lte: { ...scalar, description: 'Less than or equal: numbers, dates, times, ages' },
      },
    },
  ],
};

/** JSON Schema of a rule; nested rules are described one level deep, as the schema of the file has no names of its own. */
export const ruleJsonSchema = {
  description:
    'All must hold: attributes by keyword or tag, source, callingAeTitle, calledAeTitle, door; any:, all:, not: nest',
  type: 'object',
  properties: {
    any: { type: 'array', items: { type: 'object' }, minItems: 1, description: 'At least one of these rules holds' },
    all: { type: 'array', items: { type: 'object' }, minItems: 1, description: 'Each of these rules holds' },
    not: { type: 'object', description: 'This rule does not hold' },
    source: { ...test, description: 'Name of the source under gateway.dimse.sources' },
    callingAeTitle: test,
    calledAeTitle: test,
    door: { ...test, description: 'dimse, stow-rs or folder' },
  },
  additionalProperties: test,
};
