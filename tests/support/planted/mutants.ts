/** Every rule of the walk and every normalisation of the proof, taken away one at a time. */
import type { Mutant } from './mutant-loader.ts';

const inFile =
  (file: string) =>
  (from: string, to: string): Mutant => ({ file, from, to });

const decision = inFile('decision.ts');
const privates = inFile('private-elements.ts');
const values = inFile('value-rules.ts');
const known = inFile('known-values.ts');
const spellings = inFile('spellings.ts');
const haystack = inFile('haystack.ts');
const search = inFile('search.ts');
const layers = inFile('hidden-layers.ts');
const rewrite = inFile('rewrite.ts');
const instance = inFile('instance.ts');

/** Default deny, rule by rule. */
const RULES: readonly Mutant[] = [
  decision('if ((tag & 0xffff) === 0) return', 'if (false) return'),
  decision("if (name === undefined || scope.mode === 'replaced' ||", "if (scope.mode === 'replaced' ||"),
  decision("if (name === undefined || scope.mode === 'replaced' ||", 'if (name === undefined ||'),
  decision('return element.items === undefined ? KEEP : {', 'return true ? KEEP : {'),
  decision('if (isCurveOrOverlay(tag)) return', 'if (isCurveOrOverlay(tag)) return KEEP; if (false) return'),
  decision('if (tag >>> 16 >= 0xfffa) return REMOVE', 'if (tag >>> 16 >= 0xfffa) return KEEP'),
  decision('if (tag >>> 16 <= 0x0006) return REMOVE', 'if (tag >>> 16 <= 0x0006) return KEEP'),
  decision("case 'UN':\n        return REMOVE", "case 'UN':\n        return KEEP"),
  decision('return value.length === 0 ? KEEP : EMPTY', 'return KEEP'),
  decision(
    "return this.#plan.has('retain-uids') ? KEEP : this.#newUids(element);\n      case 'DA'",
    "return KEEP;\n      case 'DA'",
  ),
  decision('return this.#unlistedDate(element)', 'return KEEP'),
  decision('if (keywordOf(element.tag) === undefined) return REMOVE', ''),
  decision("if (vr !== 'CS') return this.#replaced(element)", "if (vr !== 'CS') return KEEP"),
  decision('isTemplate(element) ? KEEP : this.#replaced(element)', 'isTemplate(element) ? KEEP : KEEP'),
  decision('return isCodeOfStructure(latin1(value)) ||', 'return'),
  decision("isSafeWord(token.replace(/\\d{1,2}$/, ''))", 'isSafeWord(token)'),
  decision("(scope.mode === 'replaced' || scope.mode === 'cleaned') ? EMPTY", 'false ? EMPTY'),
  decision(
    "return { kind: 'enter', mode: code === 'U' ? scope.mode : 'replaced' }",
    "return { kind: 'enter', mode: scope.mode }",
  ),
  decision(
    "if (element.items !== undefined) return { kind: 'enter', mode: scope.mode };\n    if (element.vr === 'UN')",
    "if (element.vr === 'UN')",
  ),
  decision("if (element.vr === 'UN') return REMOVE;\n    const isStated", 'const isStated'),
  decision("return isStated || row.basic === 'K' ? KEEP", 'return true ? KEEP'),
  decision("if (code === 'X' || code === 'C') return REMOVE", "if (code === 'X' || code === 'C') return KEEP"),
  decision('if (row !== undefined) return this.#listed(', 'if (false) return this.#listed('),
  values('!isRegisteredUid(uid)', 'true'),
  privates('creators.get(group * 0x100 + (low >>> 8))', '[...creators.values()][0]'),
  privates('plan.privateRule(creator.name, group', "plan.privateRule('MAKER', group"),
  privates('if (rule === undefined || !mayStay(element, rule)) continue', 'if (rule === undefined) continue'),
  privates('if (element.vr !== rule.vr &&', 'if (false &&'),
  privates('return values.every(', 'return values.slice(0, 1).every('),
  privates('(rule.expression?.test(value) ?? true)', 'true'),
  privates('return /^[+-]?\\d{0,12}$/.test(value)', 'return true'),
  instance('if (hidden !== undefined) return', 'if (false) return'),
  inFile('study.ts')('if (mismatch !== undefined) hold(', 'if (false) hold('),
];

/** A list of separators, without one of them. */
function without(before: string, separators: readonly string[], after: string, missing: string): Mutant {
  const written = (some: readonly string[]) => `${before}[${some.map((one) => `'${one}'`).join(', ')}]${after}`;
  return spellings(written(separators), written(separators.filter((one) => one !== missing)));
}

/** The proof, normalisation by normalisation. */
const PROOF: readonly Mutant[] = [
  instance('if (findings.length === 0) return', 'if (true) return'),
  rewrite("if (isPrivateElement && element.vr !== 'PN') return", 'if (isPrivateElement) return'),
  known("if (vr === 'PN') this.#addNames(text)", ''),
  known('for (const component of components) this.#addName(component)', ''),
  known('if (components.length > 1)', 'if (false)'),
  known("if (name.length === 2) this.#say(whole, 'value')", ''),
  known('text.split(/[\\\\=]/)', 'text.split(/[\\\\]/)'),
  known("for (const one of spellingsOfAge(value)) this.#say(one, 'word')", ''),
  spellings("for (const short of ['y', 'yo', 'yr', 'yrs'])", "for (const short of ['yr', 'yrs'])"),
  spellings('`age ${age}`, ', ''),
  spellings('`${age} ${word}s`, ', ''),
  spellings(', `${age}-${word}`]', ']'),
  known("this.#put(digits, 'anywhere')", ''),
  known('? [text] : [text, utf8]', '? [text] : [text]'),
  known("for (const one of spellingsOfTime(value)) this.#say(one, 'digits')", ''),
  known("for (const one of spellingsOfTime(value.slice(8, 14))) this.#say(one, 'digits')", ''),
  known("this.#say(value.toLowerCase(), 'digits')", ''),
  known('for (const code of codesIn(text)) this.#addIdentifier(code)', ''),
  known(
    "if (role === 'identifier') this.#addIdentifier(text)",
    "if (role === 'identifier') this.#putText(normalised(text))",
  ),
  known("const number = text.replace(/^0+/, '')", 'const number = text'),
  known("isForeign ? characterSets.join('\\\\') : ''", "false ? '' : ''"),
  known('[text, ...text.split(/[\\r\\n]+/)]', '[text]'),
  known(".normalize('NFKD')", ".normalize('NFD')"),
  known('.replaceAll(/[\\p{M}\\p{Cf}\\0]/gu', '.replaceAll(/[\\p{Cf}\\0]/gu'),
  known("gu, '')\n    .toLowerCase()", "gu, '')"),
  spellings('`${day}${month}${year}`, ', ''),
  spellings(', `${month}${day}${year}`]', ']'),
  without('for (const separator of ', ['-', '/', '.', '_', ' ', ':'], ') spellings.push([year', '-'),
  without('for (const separator of ', ['-', '/', '.', '_', ' ', ':'], ') spellings.push([year', '_'),
  without('for (const separator of ', ['-', '/', '.', '_', ' ', ':'], ') spellings.push([year', ':'),
  spellings('`${short}${month}${day}`, ', ''),
  spellings(', `${day}${month}${short}`)', ')'),
  without(
    'for (const separator of ',
    ['.', '/', '-', '_', ' ', '. ', ' - '],
    ')\n        spellings.push([one, other, year]',
    '/',
  ),
  without(
    'for (const separator of ',
    ['.', '/', '-', '_', ' ', '. ', ' - '],
    ')\n        spellings.push([one, other, year]',
    ' - ',
  ),
  without('for (const separator of ', ['.', '/', '-'], ')\n        spellings.push([one, other, short]', '.'),
  spellings('[one, other, year].join(separator), ', ''),
  spellings(', [other, one, year].join(separator)', ''),
  spellings('[one, other, short].join(separator), ', ''),
  spellings(', [other, one, short].join(separator)', ''),
  spellings('new Set([day, String(Number(day))])', 'new Set([day])'),
  spellings('new Set([day, String(Number(day))])', 'new Set([String(Number(day))])'),
  spellings('new Set([month, String(Number(month))])', 'new Set([month])'),
  spellings('spellings.push(`${year}年${other}月${one}日`);', ''),
  spellings("for (const space of ['', ' '])", "for (const space of [' '])"),
  spellings("for (const space of ['', ' '])", "for (const space of [''])"),
  spellings('[english, english.slice(0, 3)]', '[english]'),
  spellings('`${number} ${name} ${year}`, ', ''),
  spellings('`${number}. ${name} ${year}`, `${number} de', '`${number} de'),
  spellings(', `${number} de ${name} de ${year}`', ''),
  spellings("['-', '/', ' ', '.', '_', '']", "['-', '/', ' ', '.', '_']"),
  spellings(', [number, name, short].join(separator)', ''),
  spellings(', `${name} ${number}, ${year}`, ', ', '),
  spellings('`${name}-${number}-${year}`, ', ''),
  spellings(', `${name}. ${number}, ${year}`', ''),
  spellings('spellings.push([year, name, number].join(separator))', ''),
  spellings('`${counted} ${name} ${year}`, ', ''),
  spellings(', `${counted} of ${name} ${year}`)', ')'),
  spellings('`${name} ${counted} ${year}`, ', ''),
  spellings('pairs.push(`${other.slice(0, 1)}${one}`, ', 'pairs.push('),
  spellings(', `${one}${other.slice(0, 1)}`)', ')'),
  spellings("name.normalize('NFC')", 'name'),
  spellings('[parts, finer]', '[parts]'),
  spellings('|(?<=\\p{Ll})(?=\\p{Lu})', ''),
  spellings('TRANSCRIBED[letter.toLowerCase()] ?? letter', 'letter'),
  spellings(", plain.replaceAll(/(?<=[aou])e/g, '')", ''),
  known('if (one.length >= SHORTEST_NAME && !isSafeWords(one)) this.#say(one, kind(one))', ''),
  spellings('[composed, ...joined, ...parts]', '[composed, ...joined]'),
  spellings('[composed, ...joined, ...parts]', '[composed, ...parts]'),
  known("if (role === 'place') this.#addPlace(text)", ''),
  known('.replaceAll(/[ßøæœłđðþıς\\u30a1-\\u30f6]/g, folded)', ''),
  known('if (isFirm) this.#firm.add(text)', ''),
  known('if (!this.#firm.has(pattern)) this.patterns.delete(pattern)', ''),
  instance('if (behind !== undefined) return', 'if (false) return'),
  privates('!looksLikeText(element.value)', 'true'),
  privates('!isDay(value) &&', ''),
  spellings(', `${hour}:${minute}:${second}`]', ']'),
  spellings('[...spellings, `${hour}${minute}${second}`]', 'spellings'),
  without('const SEPARATORS = ', ['', '-', '_', ' ', '.', '/'], ';', ''),
  without('const SEPARATORS = ', ['', '-', '_', ' ', '.', '/'], ';', '-'),
  haystack('? latin1(value) : decodeText(value, characterSets)', '? latin1(value) : latin1(value)'),
  haystack(
    "this.#appendText(element, Buffer.from(value).toString('utf8'));\n      this.#appendText(element, latin1(value))",
    'this.#appendText(element, latin1(value))',
  ),
  haystack("toString('utf8'));\n      this.#appendText(element, latin1(value));", "toString('utf8'));"),
  haystack('for (const layer of layers) this.#appendText(element, layer)', ''),
  haystack('if (joined !== undefined) {', 'if (false) {'),
  haystack('for (const reading of otherReadings(value)) this.#appendText(element, reading)', ''),
  haystack('for (const layer of layersOfBytes(value)) this.#appendText(element, layer)', ''),
  haystack('if (lower.includes(0))', 'if (false)'),
  haystack('Buffer.from(latin1(value).toLowerCase(), ', 'Buffer.from(latin1(value), '),
  haystack('byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte', 'byte'),
  haystack('if (this.#isIdentifier(integerIn(one.trim()))) this.#hits.add(element)', ''),
  haystack('integerIn(one.trim())', 'one.trim()'),
  haystack('if (this.#isIdentifier(String(numberAt', 'if (false && this.#isIdentifier(String(numberAt'),
  haystack("number.replace(/^0+/, '')", 'number'),
  haystack("if (this.#known.patterns.get(uid) === 'uid') this.#hits.add(element)", ''),
  haystack('if (hasLetters(value)) this.#append(element, lowerCase(value))', ''),
  haystack('|| !isMethodCode(inner))', '&& !isMethodCode(inner))'),
  inFile('markers.ts')("return text(scheme) === 'DCM' &&", 'return'),
  haystack('if (this.#known.shortValues.size > 0 &&', 'if (false &&'),
  search('!isDigit(beforeZeros(text, start))', '!isDigit(before)'),
  search('|| endsSentence(text, end)', ''),
  search('|| isTimeBehindDate(text, start, end)', ''),
  search(
    "case 'anywhere':\n      return true",
    "case 'anywhere':\n      return !isWordByte(before) && !isWordByte(after)",
  ),
  layers('percentDecoded(text), ', ''),
  layers('unescapedJson(text), ', ''),
  layers(', withoutEntities(text)]', ']'),
  layers("readable(Buffer.from(run, 'base64'))", 'undefined'),
  layers("readable(Buffer.from(run, 'hex'))", 'undefined'),
  layers('if (first === 0x78 &&', 'if (false &&'),
  layers('if (first === 0x1f &&', 'if (false &&'),
  layers('return (options) => inflateRawSync(', 'return undefined; return (options) => inflateRawSync('),
];

export const MUTANTS: readonly Mutant[] = [...RULES, ...PROOF];
