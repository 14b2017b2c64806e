/** What is in the tab of machines. */

import React from 'react';

import type { Machine, Run } from '../api/client.js';
import { freestFirst, stateOf } from '../ui/gpus.js';
import { ErrorNote, useRunicorn } from '../ui/shared.js';
import { useMachines } from '../ui/useMachines.js';
import { MachineCard } from './MachineCard.js';

const NONE: readonly Machine[] = [];

/** What is to be brought into sight, until it was. */
export interface IReveal {
  connectionId: string | null;
}

/** What is in the tab of machines. */
export function MachinesBody(props: {
  openRun: (run: Run) => void;
  showPanel: () => void;
  reveal: IReveal;
}): JSX.Element {
  const { trans, store: remote } = useRunicorn();
  const store = useMachines();
  const list = React.useRef<HTMLUListElement>(null);
  const machines = useOrder(store.machines ?? NONE, list);
  React.useEffect(() => {
    const id = props.reveal.connectionId;
    if (id === null) {
      return;
    }
    const cards = [...(list.current?.querySelectorAll<HTMLElement>('.rj-Machine') ?? [])];
    const card = cards.find(each => each.dataset.connection === id);
    if (card) {
      props.reveal.connectionId = null;
      card.scrollIntoView({ block: 'nearest' });
      card.focus({ preventScroll: true });
    }
  });
  if (remote.connections.length === 0) {
    return (
      <div className="rj-Machines-nothing">
        <p>{trans.__('Connect to a server to see its GPUs.')}</p>
        <button type="button" className="rj-Button rj-mod-primary" onClick={props.showPanel}>
          {trans.__('Show the connections')}
        </button>
      </div>
    );
  }
  return (
    <>
      {store.error !== null && (
        <ErrorNote
          reason={store.error}
          trans={trans}
          remedies={{
            refresh: () => store.retry(),
            retry: () => store.retry(),
            'reload-page': () => location.reload()
          }}
        />
      )}
      <Summary machines={store.machines} />
      <ul
        ref={list}
        className="rj-Machines-list"
        aria-label={trans.__('Machines of all servers')}
        data-stale={store.error !== null || undefined}
      >
        {machines.map(machine => (
          <MachineCard key={machine.connection_id} machine={machine} openRun={props.openRun} />
        ))}
      </ul>
    </>
  );
}

/** How many GPUs there are, and how many are free. */
function Summary(props: { machines: readonly Machine[] | null }): JSX.Element {
  const { trans } = useRunicorn();
  const gpus = (props.machines ?? []).flatMap(machine => machine.gpus ?? []);
  const free = gpus.filter(gpu => stateOf(gpu) === 'free').length;
  return (
    <p className="rj-Quiet" role="status">
      {props.machines === null
        ? trans.__('Looking at the machines…')
        : [
            trans._n('%1 machine', '%1 machines', props.machines.length),
            trans._n('%1 GPU', '%1 GPUs', gpus.length),
            trans.__('%1 free', free)
          ].join(' · ')}
    </p>
  );
}

/** Sort the machines; nothing moves while somebody is at one of them with keyboard or pointer. */
function useOrder(
  machines: readonly Machine[],
  list: React.RefObject<HTMLUListElement>
): readonly Machine[] {
  const [order, setOrder] = React.useState<readonly string[]>([]);
  React.useEffect(() => {
    const ids = freestFirst(machines).map(machine => machine.connection_id);
    const isHeld =
      list.current?.contains(document.activeElement) || list.current?.matches(':hover');
    setOrder(before => (isHeld && before.length === ids.length ? before : ids));
  }, [machines, list]);
  const place = new Map(order.map((id, index) => [id, index]));
  const placeOf = (machine: Machine): number => place.get(machine.connection_id) ?? order.length;
  return [...machines].sort((a, b) => placeOf(a) - placeOf(b));
}
