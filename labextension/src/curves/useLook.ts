/** Tells whether somebody looks: the page is in front, and the node is not scrolled or folded away. */

import React from 'react';

/** Call `onLook` whenever somebody begins to look at a node, and when nobody does any more. */
export function useLook(
  ref: React.RefObject<HTMLElement>,
  onLook: (isSeen: boolean) => void
): void {
  React.useEffect(() => {
    let isInSight = false;
    let isSeen = false;
    const look = (): void => {
      const now = isInSight && document.visibilityState === 'visible';
      if (now !== isSeen) {
        isSeen = now;
        onLook(now);
      }
    };
    const observer = new IntersectionObserver(entries => {
      isInSight = entries.at(-1)!.isIntersecting;
      look();
    });
    observer.observe(ref.current!);
    document.addEventListener('visibilitychange', look);
    return () => {
      observer.disconnect();
      document.removeEventListener('visibilitychange', look);
      if (isSeen) {
        onLook(false);
      }
    };
  }, [ref, onLook]);
}
