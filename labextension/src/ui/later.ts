/** Parts of views that are loaded when they are first drawn. */

import React from 'react';

/**
 * Make a component of one in a chunk of its own.
 *
 * Unlike `React.lazy` it asks again where the chunk could not be loaded, once the view around it is drawn
 * anew; until the chunk is there nothing is drawn.
 *
 * @param load - Loads the component.
 */
export function later<Props extends object>(
  load: () => Promise<React.ComponentType<Props>>
): React.ComponentType<Props> {
  let loaded: React.ComponentType<Props> | null = null;
  return function Later(props: Props): JSX.Element | null {
    const [failure, setFailure] = React.useState<{ reason: unknown } | null>(null);
    const [, render] = React.useReducer((count: number) => count + 1, 0);
    const drawn = loaded;
    React.useEffect(() => {
      // What another one loaded since this one was drawn is still to be drawn here.
      if (drawn !== null) {
        return;
      }
      let isThere = true;
      const finish = (component: React.ComponentType<Props>): void => {
        loaded = component;
        if (isThere) {
          render();
        }
      };
      const fail = (reason: unknown): void => {
        if (isThere) {
          setFailure({ reason });
        }
      };
      void load().then(finish, fail);
      return () => {
        isThere = false;
      };
    }, [drawn]);
    if (failure !== null) {
      throw failure.reason;
    }
    return drawn === null ? null : React.createElement(drawn, props);
  };
}
