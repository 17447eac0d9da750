import { scaleLinear, scaleTime } from 'd3-scale';
import { line } from 'd3-shape';
import { type PointerEvent, useId, useState } from 'react';
import { useWidth } from '../lib/width.ts';
import { NONE, time } from '../lib/words.ts';
import { Table } from './Table.tsx';

export interface Series {
  name: string;
  /** One for each time; null: there is none. */
  values: readonly (number | null)[];
}

interface LineChartProps {
  title: string;
  /** What a reader of the chart should know of it, such as the unit. */
  lead?: string;
  /** When each value was taken, or its time began: milliseconds since 1970, the oldest first. */
  times: readonly number[];
  series: readonly Series[];
  /** A value in words. */
  say: (value: number) => string;
  /** The same, short: on the axis. */
  tick?: (value: number) => string;
  /** The axis goes at least so far. */
  least?: number;
}

const HEIGHT = 190;
const MARGIN = { top: 10, right: 12, bottom: 26, left: 52 };

/**
 * Values over time. Lines differ by colour and dashes; pointed at, the legend tells the values of that time; and all of
 * them are in a table, for those who do not see the lines.
 */
export function LineChart({ title, lead, times, series, say, tick = say, least = 0 }: LineChartProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const [at, setAt] = useState<number>();
  const id = useId();
  const isEmpty = times.length === 0 || series.every(({ values }) => values.every((value) => value === null));
  const chosen = at !== undefined && at < times.length ? at : times.length - 1;
  const right = Math.max(MARGIN.left + 1, width - MARGIN.right);
  const bottom = HEIGHT - MARGIN.bottom;
  const x = scaleTime([times[0] ?? 0, times.at(-1) ?? 1], [MARGIN.left, right]);
  const highest = Math.max(least, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const y = scaleLinear([0, highest || 1], [bottom, MARGIN.top]).nice(4);
  const place = (index: number) => x(times[index] ?? 0);
  const path = line<number | null>(
    (_, index) => place(index),
    (value) => y(value ?? 0),
  ).defined((value) => value !== null);
  const point = (event: PointerEvent<SVGSVGElement>) => {
    const offset = event.clientX - event.currentTarget.getBoundingClientRect().left;
    const pointed = Number(x.invert(offset));
    const nearest = times.reduce(
      (best, one, index) => (Math.abs(one - pointed) < Math.abs((times[best] ?? 0) - pointed) ? index : best),
      0,
    );
    setAt(nearest);
  };
  return (
    <figure className="chart" aria-labelledby={id}>
      <figcaption id={id}>
        <h3>{title}</h3>
        {lead && <p className="hint">{lead}</p>}
      </figcaption>
      {isEmpty ? (
        <p className="empty">Nothing in this time.</p>
      ) : (
        <>
          <ul className="legend">
            {series.map(({ name, values }, index) => (
              <li key={name}>
                <svg className="legend-line" viewBox="0 0 22 4" aria-hidden="true">
                  <path className={`line line-${index}`} d="M0 2H22" />
                </svg>
                <span>{name}</span>
                <strong>{orNone(values[chosen], say)}</strong>
              </li>
            ))}
            <li className="legend-time">{at === undefined ? 'latest' : time(times[chosen] ?? 0)}</li>
          </ul>
          <div ref={box} className="chart-box">
            {width > 0 && (
              <svg
                width={width}
                height={HEIGHT}
                role="img"
                aria-label={summary(title, series, say)}
                onPointerMove={point}
                onPointerLeave={() => setAt(undefined)}
              >
                {y.ticks(4).map((value) => (
                  <g key={value}>
                    <path className="grid" d={`M${MARGIN.left} ${y(value)}H${right}`} />
                    <text className="axis-words" x={MARGIN.left - 6} y={y(value) + 4} textAnchor="end">
                      {tick(value)}
                    </text>
                  </g>
                ))}
                {x.ticks(Math.max(2, Math.floor(width / 120))).map((value) => (
                  <text
                    key={value.getTime()}
                    className="axis-words"
                    x={x(value)}
                    y={HEIGHT - 6}
                    textAnchor={x(value) > right - 20 ? 'end' : 'middle'}
                  >
                    {short(value.getTime(), times)}
                  </text>
                ))}
                {series.map(({ name, values }, index) => (
                  <g key={name}>
                    <path className={`line line-${index}`} d={path(values) ?? ''} />
                    <path className={`line dots line-${index}`} d={dots(values, place, y)} />
                  </g>
                ))}
                {at !== undefined && (
                  <path className="cursor" d={`M${place(chosen)} ${MARGIN.top}V${bottom}`} />
                )}
              </svg>
            )}
          </div>
          <details className="as-table">
            <summary>As a table</summary>
            <Table
              caption={title}
              columns={[
                { title: 'Time', cell: (index: number) => time(times[index] ?? 0), head: true },
                ...series.map(({ name, values }) => ({
                  title: name,
                  numeric: true,
                  cell: (index: number) => orNone(values[index], say),
                })),
              ]}
              rows={times.map((_, index) => index).reverse()}
              keyOf={String}
              empty=""
              isBoxed
            />
          </details>
        </>
      )}
    </figure>
  );
}

const orNone = (value: number | null | undefined, say: (value: number) => string) =>
  value === null || value === undefined ? NONE : say(value);

/** A value without neighbours makes no line: a dot. */
function dots(
  values: readonly (number | null)[],
  x: (place: number) => number,
  y: (value: number) => number,
) {
  const isThere = (place: number) => (values[place] ?? null) !== null;
  return values
    .map((value, place) =>
      value !== null && !isThere(place - 1) && !isThere(place + 1) ? `M${x(place)} ${y(value)}h0` : '',
    )
    .join('');
}

/** What is read out in the place of the lines. */
function summary(title: string, series: readonly Series[], say: (value: number) => string): string {
  const parts = series.map(({ name, values }) => {
    const known = values.filter((value) => value !== null);
    if (known.length === 0) return `${name}: none`;
    return `${name}: latest ${orNone(values.at(-1), say)}, highest ${say(Math.max(...known))}`;
  });
  return `${title}. ${parts.join('; ')}. The values are in the table below.`;
}

/** A time on the axis: the day where the whole is longer than two days. */
function short(at: number, times: readonly number[]): string {
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
  const date = new Date(at);
  return span > 2 * 86_400_000
    ? date.toLocaleDateString('en', { day: 'numeric', month: 'short' })
    : date.toLocaleTimeString('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
}
