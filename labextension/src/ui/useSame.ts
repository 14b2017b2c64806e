/** Lists that stay the same object as long as they have the same members. */

import React from 'react';

/** Return the list that was there before if it has the same members: other runs may have changed. */
export function useSame<T>(list: readonly T[]): readonly T[] {
  const [kept, keep] = React.useState(list);
  if (kept === list) {
    return kept;
  }
  if (kept.length === list.length && kept.every((item, index) => item === list[index])) {
    return kept;
  }
  keep(list);
  return list;
}
