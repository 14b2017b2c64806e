/** What is told of runs: of each host one summary, however much happens there. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { RemoteEvent, Run, RunicornRemoteClient } from '../api/client.js';
import { CoalescedTask } from '../state/coalesce.js';

/** How good or bad news is; the worst comes last. */
const KINDS = ['success', 'warning', 'error'] as const;
/** How good or bad news is. */
export type NewsKind = (typeof KINDS)[number];

/** What there is to tell of a host. */
export interface ISummary {
  /** That of its worst news. */
  kind: NewsKind;
  message: string;
  /** How many messages it stands for. */
  count: number;
  /** The run of the worst, if it could be read. */
  run: Run | null;
}

/** The longest parts of a sentence, in characters; Lab shows 140 of a notification. */
const LONGEST_NAME = 32;
const LONGEST_PART = 24;

/** News of one run. */
interface INews {
  event: RemoteEvent;
  rank: number;
  /** Undefined as long as it was not read. */
  run?: Run | null;
}

/** All news of a host. */
interface IHostNews {
  worst: INews | null;
  latest: INews | null;
  count: number;
}

/** Collects news of runs, and tells of each host what is worst, and how much more there is. */
export class RunNews {
  /**
   * @param tell - Called with a host and its summary after it has changed.
   */
  constructor(
    private readonly client: Pick<RunicornRemoteClient, 'readRuns'>,
    private readonly trans: TranslationBundle,
    private readonly tell: (host: string, summary: ISummary) => void
  ) {}

  /** Take up an event; of one that is no news of runs nothing is told. */
  take(event: RemoteEvent): void {
    const host = event.host ?? '';
    const news = this._hosts.get(host) ?? { worst: null, latest: null, count: 0 };
    if (event.type === 'more' && event.of === 'run' && news.worst && kindOf(event) !== null) {
      news.count += event.count ?? 0;
    } else if (event.type === 'run' && kindOf(event) !== null) {
      news.latest = { event, rank: KINDS.indexOf(kindOf(event)!) };
      news.count += 1;
      if (news.latest.rank >= (news.worst?.rank ?? 0)) {
        news.worst = news.latest;
      }
    } else {
      return;
    }
    this._hosts.set(host, news);
    this._changed.add(host);
    void this._telling.run();
  }

  /** Begin anew with a host. */
  forget(host: string): void {
    this._hosts.delete(host);
  }

  private async _tell(): Promise<void> {
    const changed = [...this._changed];
    this._changed.clear();
    for (const host of changed) {
      const news = this._hosts.get(host);
      if (news?.worst) {
        const shown = news.count === 2 ? [news.worst, news.latest!] : [news.worst];
        for (const each of new Set(shown)) {
          if (each.run === undefined) {
            each.run = await this._read(each.event);
          }
        }
        this.tell(host, this._summary(news, [...new Set(shown)]));
      }
    }
  }

  private async _read(event: RemoteEvent): Promise<Run | null> {
    const filters = { connectionId: event.connection_id, runId: event.run_id };
    try {
      return (await this.client.readRuns({ filters, limit: 1 })).runs[0] ?? null;
    } catch {
      // The news is told without the run's name.
      return null;
    }
  }

  private _summary(news: IHostNews, shown: readonly INews[]): ISummary {
    const { worst, count } = news;
    const lines = shown.map(each => sentenceOf(this.trans, each.event, nameOf(each)));
    if (count > shown.length) {
      lines.push(this.trans.__('… and %1 more messages.', count - shown.length));
    }
    return {
      kind: KINDS[worst!.rank]!,
      message: lines.join('\n'),
      count,
      run: worst!.run ?? null
    };
  }

  private readonly _hosts = new Map<string, IHostNews>();
  private readonly _changed = new Set<string>();
  private readonly _telling = new CoalescedTask(() => this._tell());
}

/** How good or bad an event of a run is; null where nothing is to be told. */
function kindOf(event: RemoteEvent): NewsKind | null {
  switch (event.status) {
    case 'finished':
      return 'success';
    case 'failed':
      return 'error';
    case 'interrupted':
    case 'nan':
      return 'warning';
    default:
      return null;
  }
}

function nameOf(news: INews): string {
  return news.run?.name ?? news.event.run_id ?? '';
}

function sentenceOf(trans: TranslationBundle, event: RemoteEvent, run: string): string {
  const host = shortened(event.host ?? '', LONGEST_PART);
  const name = shortened(run, LONGEST_NAME);
  switch (event.status) {
    case 'finished':
      return trans.__('%1 on %2 has finished.', name, host);
    case 'failed':
      return trans.__('%1 on %2 has failed.', name, host);
    case 'interrupted':
      return trans.__('%1 on %2 was interrupted.', name, host);
    default:
      return trans.__(
        '%1 of %2 on %3 is no finite number any more.',
        shortened(event.metric ?? '', LONGEST_PART),
        name,
        host
      );
  }
}

/** A text with its middle left out if it is too long. */
function shortened(text: string, limit: number): string {
  const characters = [...text];
  const half = Math.floor((limit - 1) / 2);
  return characters.length <= limit
    ? text
    : `${characters.slice(0, half).join('')}…${characters.slice(-half).join('')}`;
}
