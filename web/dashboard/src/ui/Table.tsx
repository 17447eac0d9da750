import type { ReactNode } from 'react';

export interface Column<R> {
  title: string;
  /** A text, or an element. */
  cell: (row: R) => ReactNode;
  /** Numbers stand below each other by their last digit. */
  numeric?: boolean;
  /** Names the row: read out with each of its cells. */
  head?: boolean;
  /** Its title is read out only: of buttons, for one. */
  hideTitle?: boolean;
}

interface TableProps<R> {
  /** What the rows are. */
  caption: string;
  /** It stands above the table already, and is read out only. */
  hideCaption?: boolean;
  columns: readonly Column<R>[];
  rows: readonly R[];
  keyOf: (row: R) => string;
  /** What is said when there is no row. */
  empty: string;
  /** It is scrolled in a box of its own: that is reached by keyboard. */
  isBoxed?: boolean;
}

/**
 * A table; on a phone each row is a card, with the titles beside the cells. The roles are named, because browsers
 * forget them of elements that are shown otherwise.
 */
export function Table<R>(props: TableProps<R>) {
  const { caption, hideCaption = true, columns, rows, keyOf, empty, isBoxed = false } = props;
  if (rows.length === 0) return <p className="empty">{empty}</p>;
  return (
    <div className="table-box" {...(isBoxed ? { tabIndex: 0, role: 'region', 'aria-label': caption } : {})}>
      {/* biome-ignore-start lint/a11y/noRedundantRoles: see above */}
      <table className="table" role="table">
        <caption className={hideCaption ? 'hidden' : undefined}>{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ title, numeric, hideTitle }) => (
              <th key={title} role="columnheader" scope="col" data-numeric={numeric}>
                <span className={hideTitle ? 'hidden' : undefined}>{title}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={keyOf(row)} role="row">
              {columns.map(({ title, cell, numeric, head, hideTitle }) => {
                const content = (
                  <>
                    {!hideTitle && (
                      <span className="cell-title" aria-hidden="true">
                        {title}
                      </span>
                    )}
                    <span className="cell">{cell(row)}</span>
                  </>
                );
                return head ? (
                  <th key={title} role="rowheader" scope="row" data-numeric={numeric}>
                    {content}
                  </th>
                ) : (
                  <td key={title} role="cell" data-numeric={numeric}>
                    {content}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {/* biome-ignore-end lint/a11y/noRedundantRoles: see above */}
    </div>
  );
}
