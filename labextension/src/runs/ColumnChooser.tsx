/** Chooses the columns of the table: which, in which order, which stay at the left, which make groups. */

import { caretDownIcon, caretUpIcon, closeIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import React from 'react';

import type { Run } from '../api/client.js';
import { IconButton } from '../ui/fields.js';
import { useRunicorn } from '../ui/shared.js';
import { CHOSEN_METRIC, columnOf, CURVE, FACTS, type IColumn } from './columns.js';
import { namesIn } from './filter.js';
import {
  changeColumn,
  DEFAULT_LAYOUT,
  moveColumn,
  toggleColumn,
  toggleGroup,
  type ILayout
} from './layout.js';

/** How many names of one kind are listed at once. */
const MOST_LISTED = 100;

/** What the chooser works on. */
export interface IColumnChooserProps {
  runs: readonly Run[];
  layout: ILayout;
  metric: string;
  onLayout: (layout: ILayout) => void;
}

/** The chooser. */
export function ColumnChooser(props: IColumnChooserProps): JSX.Element {
  const { layout, onLayout } = props;
  const { trans, saveSetting } = useRunicorn();
  return (
    <section className="rj-Runs-chooser" aria-label={trans.__('Columns of the table')}>
      <Shown {...props} />
      <Offered {...props} />
      <div className="rj-Actions">
        {saveSetting && (
          <button
            type="button"
            className="rj-Button"
            title={trans.__('Workspaces in which nobody has changed the table start with it')}
            onClick={() =>
              void saveSetting('runsTable', layout as unknown as ReadonlyPartialJSONObject)
            }
          >
            {trans.__('Make this the default')}
          </button>
        )}
        <button type="button" className="rj-Button" onClick={() => onLayout(DEFAULT_LAYOUT)}>
          {trans.__('Reset')}
        </button>
      </div>
    </section>
  );
}

/** What is shown now, in its order. */
function Shown(props: IColumnChooserProps): JSX.Element {
  const { layout, metric, onLayout } = props;
  const { trans } = useRunicorn();
  const { columns } = layout;
  return (
    <div>
      <h3>{trans.__('Shown')}</h3>
      <ol>
        {columns.map(({ id, isPinned = false }, index) => {
          const label = labelOf(columnOf(id, metric), id, trans.__('Chosen metric'));
          const move = (to: number): void => onLayout(moveColumn(layout, id, columns[to]!.id));
          return (
            <li key={id} className="rj-Row">
              <span className="rj-Grow rj-Ellipsis" title={id}>
                {label(trans)}
              </span>
              <IconButton
                label={trans.__('Move %1 to the left', label(trans))}
                icon={caretUpIcon}
                disabled={index === 0}
                onPress={() => move(index - 1)}
              />
              <IconButton
                label={trans.__('Move %1 to the right', label(trans))}
                icon={caretDownIcon}
                disabled={index === columns.length - 1}
                onPress={() => move(index + 1)}
              />
              <label>
                <input
                  type="checkbox"
                  aria-label={trans.__('Keep %1 in sight', label(trans))}
                  checked={isPinned}
                  onChange={() => onLayout(changeColumn(layout, id, { isPinned: !isPinned }))}
                />
                {trans.__('pinned')}
              </label>
              <IconButton
                label={trans.__('Hide %1', label(trans))}
                icon={closeIcon}
                disabled={columns.length === 1}
                onPress={() => onLayout(toggleColumn(layout, id))}
              />
            </li>
          );
        })}
      </ol>
    </div>
  );
}

/** All that there is, by kind; what is typed narrows it down. */
function Offered(props: IColumnChooserProps): JSX.Element {
  const { runs, metric } = props;
  const { trans } = useRunicorn();
  const [typed, setTyped] = React.useState('');
  const names = React.useMemo(() => namesIn(runs), [runs]);
  const idsOf = (kind: 'metric' | 'param' | 'summary'): string[] =>
    names[kind].map(name => `${kind}.${name}`);
  const kinds: Array<[title: string, ids: readonly string[]]> = [
    [trans.__('Parameters'), idsOf('param')],
    [trans.__('Metrics'), [CHOSEN_METRIC, ...idsOf('metric')]],
    [trans.__('Summary'), idsOf('summary')],
    [trans.__('Facts'), [...FACTS.map(column => column.id), CURVE]]
  ];
  return (
    <div className="rj-Grow">
      <input
        type="search"
        className="jp-mod-styled rj-Runs-filter"
        aria-label={trans.__('Find a column')}
        placeholder={trans.__('Find a column')}
        value={typed}
        onChange={event => setTyped(event.target.value)}
      />
      <div className="rj-Runs-kinds">
        {kinds.map(([title, ids]) => {
          const found = ids.filter(id => {
            const label = labelOf(columnOf(id, metric), id, trans.__('Chosen metric'))(trans);
            return label.toLowerCase().includes(typed.toLowerCase());
          });
          return (
            found.length > 0 && (
              <fieldset key={title}>
                <legend>{title}</legend>
                {found.slice(0, MOST_LISTED).map(id => (
                  <Offer key={id} {...props} id={id} />
                ))}
                {found.length > MOST_LISTED && (
                  <p className="rj-Quiet">
                    {trans.__(
                      '… and %1 more: type a part of the name.',
                      found.length - MOST_LISTED
                    )}
                  </p>
                )}
              </fieldset>
            )
          );
        })}
      </div>
    </div>
  );
}

function Offer(props: IColumnChooserProps & { id: string }): JSX.Element {
  const { id, layout, metric, onLayout } = props;
  const { trans } = useRunicorn();
  const label = labelOf(columnOf(id, metric), id, trans.__('Chosen metric'))(trans);
  const isGrouped = layout.groupBy.includes(id);
  return (
    <div className="rj-Row">
      <label className="rj-Grow rj-Ellipsis" title={label}>
        <input
          type="checkbox"
          checked={layout.columns.some(column => column.id === id)}
          onChange={() => onLayout(toggleColumn(layout, id))}
        />
        {label}
      </label>
      {!id.startsWith('metric') && (
        <button
          type="button"
          className="rj-Button rj-mod-quiet rj-Small"
          aria-pressed={isGrouped}
          aria-label={trans.__('Group by %1', label)}
          onClick={() => onLayout(toggleGroup(layout, id))}
        >
          {trans.__('group')}
        </button>
      )}
    </div>
  );
}

function labelOf(column: IColumn | null, id: string, chosen: string): IColumn['label'] {
  return id === CHOSEN_METRIC ? () => chosen : (column?.label ?? (() => id));
}
