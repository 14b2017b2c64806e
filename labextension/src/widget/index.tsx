/** The charts as a widget, by anywidget's protocol: one file for every page that shows widgets. */

import { Signal } from '@lumino/signaling';
import React from 'react';
import { createRoot } from 'react-dom/client';

import { Curves } from '../curves/Curves.js';
import { CurvesHost, type CurveRun, type ICurvesHost } from '../curves/host.js';
import type { IProblem } from '../curves/reader.js';
import { keyOfRun } from '../state/runs.js';
import { copyText } from '../ui/clipboard.js';
import { Dates } from '../ui/dates.js';
import { idOf, KernelClient, type IModel } from './kernelClient.js';
import { adapt, watchTheme } from './theme.js';
import { languageOf, wordsOf } from './words.js';

/** A problem as the kernel tells of it. */
interface ITold {
  connection: string;
  host: string;
  code: string;
  as_of: string | null;
}

/** A run as the kernel tells of it: another `change` where there may be something new. */
type ToldRun = CurveRun & { change: number };

/** The charts, with what the kernel knows of their runs. */
function WidgetCurves(props: { model: IModel; view: string }): JSX.Element {
  const { model, view } = props;
  const [runs, setRuns] = React.useState<readonly ToldRun[]>([]);
  const told = useTrait<readonly ITold[]>(model, 'problems');
  const offered = useTrait<readonly string[]>(model, 'offered');
  const metrics = useTrait<readonly string[]>(model, 'metrics');
  const now = useTrait<readonly ToldRun[]>(model, 'runs');
  React.useEffect(() => setRuns(before => kept(before, now)), [now]);
  const look = React.useCallback(
    (isSeen: boolean) => model.send({ kind: 'look', view, seen: isSeen }),
    [model, view]
  );
  const problems = React.useMemo(
    () =>
      told.map(({ connection, host, code, as_of }): IProblem => {
        return {
          connection,
          host,
          reason: { code },
          asOf: as_of === null ? null : new Date(as_of)
        };
      }),
    [told]
  );
  return <Curves {...{ runs, metrics, offered, problems }} isTitled onLook={look} />;
}

/** Follow one of the model's values. */
function useTrait<T>(model: IModel, name: string): T {
  const [value, setValue] = React.useState(() => model.get(name) as T);
  React.useEffect(() => {
    const read = (): void => setValue(model.get(name) as T);
    model.on(`change:${name}`, read);
    read();
    return () => model.off(`change:${name}`, read);
  }, [model, name]);
  return value;
}

/** Return the runs as they are now; those of which nothing is new are the objects that they were. */
function kept(before: readonly ToldRun[], now: readonly ToldRun[]): readonly ToldRun[] {
  const known = new Map(before.map(run => [keyOfRun(run), run]));
  return now.map(run => {
    const other = known.get(keyOfRun(run));
    return other?.change === run.change ? other : run;
  });
}

/** Draw a view; return what ends it. */
function render({ model, el }: { model: IModel; el: HTMLElement }): () => void {
  const node = document.createElement('div');
  node.className = 'rj-Widget';
  el.append(node);
  const paint = (): void => {
    adapt(node);
    repainted.emit();
  };
  const language = languageOf(document, navigator);
  const source = {};
  const [retried, repainted] = [new Signal<object, void>(source), new Signal<object, void>(source)];
  const client = new KernelClient(model);
  const host: ICurvesHost = {
    ...{ client, retried, repainted },
    trans: wordsOf(language),
    dates: new Dates(language, navigator.languages),
    copy: copyText
  };
  const retry = (): void => retried.emit();
  model.on('change:problems', retry);
  model.on('change:runs', retry);
  const unwatch = watchTheme(document, paint);
  // Some pages put it into the document only afterwards, where its colours are.
  requestAnimationFrame(paint);
  const root = createRoot(node);
  root.render(
    <CurvesHost.Provider value={host}>
      <WidgetCurves model={model} view={idOf()} />
    </CurvesHost.Provider>
  );
  return () => {
    root.unmount();
    unwatch();
    model.off('change:problems', retry);
    model.off('change:runs', retry);
    client.dispose();
    node.remove();
  };
}

export default { render };
