/** What SQLite and PostgreSQL say in different words; everything else is SQL that both understand. */
export interface Dialect {
  /** At the end of a SELECT: its rows are locked; those that somebody else has locked are left out. */
  readonly skipLocked: string;
  /** At the end of a SELECT: its rows are locked, after waiting for whoever has them. */
  readonly forUpdate: string;
  /** A JSON object of keys and values, as text. */
  readonly object: (pairs: string) => string;
  /** The values of a JSON array of strings, given as text: a SELECT. */
  readonly valuesOf: (text: string) => string;
  /** How many values a JSON array has, given as text. */
  readonly lengthOf: (text: string) => string;
  /** A column whose index is not to be used. */
  readonly unindexed: (column: string) => string;
  /** Behind a table: the index to go by, where one with an equality looks better and is not. PostgreSQL counts its rows itself. */
  readonly by: (index: string) => string;
  /** A condition on text: `*` stands for any characters, `?` for one. Its one parameter is `patternOf` the pattern. */
  readonly like: (column: string) => string;
  readonly patternOf: (pattern: string) => string;
}

export const SQLITE: Dialect = {
  // One writer at a time has the whole file.
  skipLocked: '',
  forUpdate: '',
  object: (pairs) => `json_object(${pairs})`,
  valuesOf: (text) => `SELECT value FROM json_each(${text})`,
  lengthOf: (text) => `json_array_length(${text})`,
  unindexed: (column) => `+${column}`,
  by: (index) => ` INDEXED BY ${index}`,
  like: (column) => `${column} GLOB ?`,
  // In GLOB a bracket begins a set of characters; in DICOM it is a character.
  patternOf: (pattern) => pattern.replaceAll('[', '[[]'),
};

export const POSTGRES: Dialect = {
  skipLocked: ' FOR UPDATE SKIP LOCKED',
  forUpdate: ' FOR UPDATE',
  object: (pairs) => `CAST(json_build_object(${pairs}) AS TEXT)`,
  valuesOf: (text) => `SELECT value FROM json_array_elements_text(CAST(${text} AS json))`,
  lengthOf: (text) => `json_array_length(CAST(${text} AS json))`,
  unindexed: (column) => column,
  by: () => '',
  like: (column) => `${column} LIKE ? ESCAPE '!'`,
  patternOf: (pattern) => pattern.replaceAll(/[!%_]/g, '!$&').replaceAll('*', '%').replaceAll('?', '_'),
};
