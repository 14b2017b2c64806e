/** Notifications of runs: one a host, kept up to date. */

import { Notification } from '@jupyterlab/apputils';

import type { Run } from '../api/client.js';
import type { Runicorn } from '../ui/context.js';
import { RunNews, type ISummary } from './news.js';

/** How long the news of a run that has finished stays, in milliseconds; bad news stay. */
const GOOD_NEWS_LIFE = 10_000;

/**
 * Tell people of runs, as long as their settings want it.
 *
 * @param showRuns - Shows the runs of all servers; null where there is no room for them.
 */
export function notifyOfRuns(
  runicorn: Runicorn,
  openRun: (run: Run) => void,
  showRuns: (() => void) | null
): void {
  const { store, client, trans } = runicorn;
  /** The notification of each host. */
  const shown = new Map<string, string>();
  const actionsOf = ({ run, count }: ISummary): Notification.IAction[] => {
    if (count > 1) {
      return showRuns ? [{ label: trans.__('Show the runs'), callback: showRuns }] : [];
    }
    return run ? [{ label: trans.__('Show the run'), callback: () => openRun(run) }] : [];
  };
  const news = new RunNews(client, trans, (host, summary) => {
    const { kind: type, message } = summary;
    const options = {
      autoClose: type === 'success' ? GOOD_NEWS_LIFE : (false as const),
      actions: actionsOf(summary)
    };
    const id = shown.get(host);
    if (id === undefined || !Notification.update({ id, message, type, ...options })) {
      shown.set(host, Notification.emit(message, type, options));
    }
  });
  Notification.manager.changed.connect((_, change) => {
    for (const [host, id] of shown) {
      if (change.type === 'removed' && change.notification.id === id) {
        shown.delete(host);
        news.forget(host);
      }
    }
  });
  store.eventReceived.connect((_, event) => {
    if (runicorn.settings.notifyRuns) {
      news.take(event);
    }
  });
}
