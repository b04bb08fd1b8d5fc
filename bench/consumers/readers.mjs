/**
 * How a consumer under measurement reads a record: every value of it is used, so that nothing that is left undecoded until
 * asked for goes unpaid. What they return, the bytes of all values, is the same as bare-consumer.c's sum.
 *
 * The code is made for the fields of the program, as one who knows his program would write it: a loop over names would be
 * measured instead of the decoder.
 *
 * @param {Record<string, 'string' | number>} fields name → `'string'`, or the bytes of an integer (which isn't negative)
 */
export function makeReaders(fields) {
  const entries = Object.entries(fields)
  const size = (type, value) => (type === 'string' ? `${value}.length` : `(${value} >= 0 ? ${type} : 0)`)
  const sum = entries.map(([name, type]) => size(type, `fields.${name}`)).join(' + ')
  const columns = entries.map(
    ([name, type]) => `for (const value of batch.column('${name}')) bytes += ${size(type, 'value')}`,
  )
  return {
    /** @type {(fields: object) => number} */
    record: new Function('fields', `return ${sum}`),
    /** Each record's typed object. @type {(batch: object) => number} */
    records: new Function(
      'batch',
      `let bytes = 0\nfor (const { fields } of batch) bytes += ${sum}\nreturn bytes`,
    ),
    /** A column at a time. @type {(batch: object) => number} */
    columns: new Function('batch', `let bytes = 0\n${columns.join('\n')}\nreturn bytes`),
    /** Decodes nothing: what the way costs without the records. */
    count: () => 0,
  }
}
