/**
 * The messages of Postgres' own output plugin for logical replication, in protocol version 1, as text.
 * https://www.postgresql.org/docs/17/protocol-logicalrep-message-formats.html
 */

export interface Relation {
  oid: number;
  schema: string;
  table: string;
  /** `d`: its primary key identifies a row, `f`: all columns do, `i`: an index, `n`: nothing does. */
  identity: string;
  columns: { name: string; type: number; isKey: boolean }[];
}

/** The text of each column, in the relation's order; undefined: a large value that the change left as it was. */
export type Tuple = (string | null | undefined)[];

export interface RowChange {
  relation: Relation;
  action: 'INSERT' | 'UPDATE' | 'DELETE';
  /** Milliseconds since 1970. */
  committedAt: number;
  /** The new row; absent where it was deleted. */
  row: Tuple | undefined;
  /**
   * The old row as far as the WAL has it: with `replica identity full` all of it, else the key, and of an UPDATE only
   * where that has changed. Columns that it lacks are null.
   */
  old: { tuple: Tuple; isKeyOnly: boolean } | undefined;
}

/** Microseconds from 1970 to 2000, which is when Postgres' clock begins. */
const EPOCH_MICROS = 946_684_800_000_000n;

/** Reads a stream of messages; relations are told once, before their first change, and again when they change. */
export class PgOutput {
  readonly #relations = new Map<number, Relation>();
  #committedAt = 0;

  /** @returns the change of a row, or undefined: the message is about something else */
  read(message: Buffer): RowChange | undefined {
    const reader = new Reader(message);
    const kind = reader.char();
    if (kind === 'B') {
      reader.skip(8);
      this.#committedAt = Number((reader.int64() + EPOCH_MICROS) / 1000n);
      return undefined;
    }
    if (kind === 'R') {
      const relation = readRelation(reader);
      this.#relations.set(relation.oid, relation);
      return undefined;
    }
    const action = ({ I: 'INSERT', U: 'UPDATE', D: 'DELETE' } as const)[kind];
    if (!action) return undefined; // the end of a transaction, a type, an origin, a truncation
    const relation = this.#relations.get(reader.int32());
    if (!relation) throw new Error('A change came before its relation.');
    const change: RowChange = {
      relation,
      action,
      committedAt: this.#committedAt,
      row: undefined,
      old: undefined,
    };
    while (reader.hasMore) {
      const part = reader.char();
      const tuple = readTuple(reader);
      if (part === 'N') change.row = tuple;
      else change.old = { tuple, isKeyOnly: part === 'K' };
    }
    return change;
  }
}

function readRelation(reader: Reader): Relation {
  const oid = reader.int32();
  const schema = reader.text() || 'pg_catalog';
  const table = reader.text();
  const identity = reader.char();
  const columns = Array.from({ length: reader.int16() }, () => {
    const isKey = reader.int8() === 1;
    const name = reader.text();
    const type = reader.int32();
    reader.skip(4); // the type's modifier
    return { name, type, isKey };
  });
  return { oid, schema, table, identity, columns };
}

function readTuple(reader: Reader): Tuple {
  return Array.from({ length: reader.int16() }, () => {
    const kind = reader.char();
    if (kind === 'n') return null;
    return kind === 'u' ? undefined : reader.sized();
  });
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  int8(): number {
    return this.#bytes.readUInt8(this.#at++);
  }

  int16(): number {
    this.skip(2);
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  int32(): number {
    this.skip(4);
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  int64(): bigint {
    this.skip(8);
    return this.#bytes.readBigInt64BE(this.#at - 8);
  }

  char(): string {
    return String.fromCharCode(this.int8());
  }

  /** Up to a zero byte. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  /** After its length. */
  sized(): string {
    const length = this.int32();
    this.skip(length);
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }
}
