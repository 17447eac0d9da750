import { describe, expect, test } from 'vitest';
import { BadSubscription, readFilters, readSelection } from '../../dev/stack/realtime/filters.ts';
import { PgOutput } from '../../dev/stack/realtime/pgoutput.ts';
import { serializerOf } from '../../dev/stack/realtime/protocol.ts';

describe('filters', () => {
  const eq = (column: string, value: string) => ({ column, operator: 'eq', value, negate: false });

  test.each([
    ['', []],
    ['   ', []],
    ['id=eq.1', [eq('id', '1')]],
    ['a=eq.1, b=eq.2', [eq('a', '1'), eq('b', '2')]],
    ['a=eq."x,y"', [eq('a', 'x,y')]],
    ['a=eq."x\\"y\\\\z"', [eq('a', 'x"y\\z')]],
    ['a=eq.it"s', [eq('a', 'it"s')]],
    ['a=eq.', [eq('a', '')]],
    ['a=eq.b=eq.c', [eq('a', 'b=eq.c')]],
    ['a=in.(1,2),b=eq.3', [{ column: 'a', operator: 'in', value: '{1,2}', negate: false }, eq('b', '3')]],
    ['a=not.in.("x,y",z)', [{ column: 'a', operator: 'in', value: '{"x,y",z}', negate: true }]],
  ])('%s', (text, expected) => {
    expect(readFilters(text)).toEqual(expected);
  });

  test.each([
    'a',
    '=eq.1',
    'a=1',
    'a=eq',
    'a=constructor.1',
    'a=in.1',
    'a=eq.1,',
    ',a=eq.1',
    'a=eq.1,,b=eq.2',
  ])('%j is none', (text) => {
    expect(() => readFilters(text)).toThrow(BadSubscription);
  });

  test('what is not said is the usual', () => {
    const usual = { action: '*', filters: [], columns: undefined };
    expect(readSelection({ table: 'notes' })).toEqual({ ...usual, schema: 'public', table: 'notes' });
    expect(readSelection({ schema: 'other' })).toEqual({ ...usual, schema: 'other', table: '*' });
    expect(readSelection({ table: 'notes', event: 'update' }).action).toBe('UPDATE');
    expect(readSelection({ table: 'notes', event: 'whatever' }).action).toBe('*');
    for (const params of [{}, { event: '*' }, { schema: 1 }, { schema: 'public', filter: 'id=eq.1' }]) {
      expect(() => readSelection(params)).toThrow(BadSubscription);
    }
    expect(() => readSelection({ table: '*', select: ['id'] })).toThrow(/wildcard/);
  });
});

describe('frames', () => {
  const frame = { joinRef: '1', ref: '2', topic: 'realtime:a', event: 'phx_join', payload: { a: 1 } };

  test.each(['1.0.0', '2.0.0', null])('version %s', (vsn) => {
    const serializer = serializerOf(vsn);
    const text = serializer?.encode(frame) ?? '';
    const expected = vsn === '2.0.0' ? frame : { ...frame, joinRef: null };
    expect(serializer?.decode(text)).toEqual(expected);
  });

  test.each(['', 'x', '1', 'null', '[]', '{}', '[null,null,1,2,{}]', '[null,null,"a","b"]', '{"topic":"a"}'])(
    '%s is none',
    (text) => {
      for (const vsn of ['1.0.0', '2.0.0']) expect(serializerOf(vsn)?.decode(text)).toBeUndefined();
    },
  );

  test('there is no other version', () => {
    expect(serializerOf('3.0.0')).toBeUndefined();
  });
});

test('a change of a relation that was never told is an error, and not one of another table', () => {
  const insert = Buffer.concat([
    Buffer.from('I'),
    Buffer.from([0, 0, 0, 7]),
    Buffer.from('N'),
    Buffer.from([0, 0]),
  ]);
  expect(() => new PgOutput().read(insert)).toThrow(/before its relation/);
});
