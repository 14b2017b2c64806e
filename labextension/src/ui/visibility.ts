/** Work that is done only while a widget can be seen. */

import type { IDisposable } from '@lumino/disposable';
import { MessageLoop, type Message } from '@lumino/messaging';
import type { Widget } from '@lumino/widgets';

/**
 * Keep something going while a widget is shown and its page is in front.
 *
 * @param start - Begins; what it returns is disposed of as soon as the widget can't be seen.
 */
export function whileVisible(widget: Widget, start: () => IDisposable): void {
  let isShown = widget.isVisible;
  let going: IDisposable | null = null;
  const update = (): void => {
    if (isShown && document.visibilityState === 'visible') {
      going ??= start();
    } else {
      going?.dispose();
      going = null;
    }
  };
  // A hook is called before the widget takes note itself.
  MessageLoop.installMessageHook(widget, (_, message: Message) => {
    switch (message.type) {
      case 'after-attach':
        isShown = !widget.isHidden && (widget.parent?.isVisible ?? true);
        break;
      case 'after-show':
        isShown = true;
        break;
      case 'before-hide':
      case 'before-detach':
        isShown = false;
        break;
      default:
        return true;
    }
    update();
    return true;
  });
  document.addEventListener('visibilitychange', update);
  widget.disposed.connect(() => {
    document.removeEventListener('visibilitychange', update);
    isShown = false;
    update();
  });
  update();
}
