/** A notification when a run ends, or when one of its metrics is no number any more. */

import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IRun } from '../client.js';
import type { Runicorn } from '../model.js';
import type { IRemoteEvent } from '../state.js';

/** How long the news of a run that has finished stays, in milliseconds; bad news stay. */
const GOOD_NEWS_LIFE = 10_000;

/** What is told of an event: its kind, and the sentence. */
export function newsOf(
  trans: TranslationBundle,
  event: IRemoteEvent,
  name: string
): [kind: 'success' | 'error' | 'warning', sentence: string] | null {
  const host = event.host ?? '';
  switch (event.status) {
    case 'finished':
      return ['success', trans.__('%1 on %2 has finished.', name, host)];
    case 'failed':
      return ['error', trans.__('%1 on %2 has failed.', name, host)];
    case 'interrupted':
      return ['warning', trans.__('%1 on %2 was interrupted.', name, host)];
    case 'nan':
      return [
        'warning',
        trans.__('%1 of %2 on %3 is no finite number any more.', event.metric ?? '', name, host)
      ];
    default:
      return null;
  }
}

/** Tell people of runs, as long as their settings want it. */
export function notifyOfRuns(runicorn: Runicorn, openRun: (run: IRun) => void): void {
  const { store, client, trans } = runicorn;
  const tell = async (event: IRemoteEvent): Promise<void> => {
    const filters = { connectionId: event.connection_id, runId: event.run_id };
    const run = (await client.listRuns(filters).catch(() => []))[0];
    const news = newsOf(trans, event, run?.name ?? event.run_id ?? '');
    if (news) {
      const [kind, sentence] = news;
      Notification.emit(sentence, kind, {
        autoClose: kind === 'success' ? GOOD_NEWS_LIFE : false,
        actions: run ? [{ label: trans.__('Show the run'), callback: () => openRun(run) }] : []
      });
    }
  };
  store.eventReceived.connect((_, event) => {
    if (event.type === 'run' && event.status !== 'started' && runicorn.settings.notifyRuns) {
      void tell(event);
    }
  });
}
