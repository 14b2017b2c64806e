/** The list of lines beside the charts: which is which, and which of them are drawn. */

import React from 'react';

import { useCurvesHost } from './host.js';
import type { ILineStyle } from './style.js';

/** A line's entry. */
export interface ILegendItem extends ILineStyle {
  name: string;
  /** What is to be said of its run, or ''. */
  note: string;
  isHidden: boolean;
}

/** The list. */
export function Legend(props: {
  items: readonly ILegendItem[];
  raised: string | null;
  onRaise: (name: string | null) => void;
  onToggle: (name: string) => void;
}): JSX.Element {
  const { items, raised, onRaise } = props;
  const { trans } = useCurvesHost();
  const ref = React.useRef<HTMLUListElement>(null);
  const at = items.findIndex(item => item.name === raised);

  React.useEffect(() => {
    const list = ref.current!;
    const item = list.children[at];
    if (item instanceof HTMLElement && !list.matches(':hover')) {
      const below = item.offsetTop + item.offsetHeight - list.clientHeight;
      list.scrollTop = Math.max(below, Math.min(list.scrollTop, item.offsetTop));
    }
  }, [at]);

  return (
    <ul ref={ref} className="rj-Curves-legend" aria-label={trans.__('Compared runs')}>
      {items.map(item => (
        <li key={item.name} data-raised={item.name === raised || undefined}>
          <button
            type="button"
            title={item.name}
            aria-pressed={!item.isHidden}
            onClick={() => props.onToggle(item.name)}
            onPointerEnter={() => onRaise(item.name)}
            onPointerLeave={() => onRaise(null)}
            onFocus={() => onRaise(item.name)}
            onBlur={() => onRaise(null)}
          >
            <Sample {...item} />
            <span className="rj-Ellipsis">{item.name}</span>
            {item.note && <span className="rj-Quiet"> {item.note}</span>}
          </button>
        </li>
      ))}
    </ul>
  );
}

/** A piece of a line. */
function Sample(props: ILineStyle): JSX.Element {
  return (
    <svg width="28" height="8" aria-hidden>
      <line
        x1="0"
        y1="4"
        x2="28"
        y2="4"
        stroke={props.color}
        strokeWidth={2}
        strokeDasharray={props.dash.join(' ')}
      />
    </svg>
  );
}
