/** The commands, and the tabs that they open. */

import type { ILabShell, ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import {
  Dialog,
  InputDialog,
  Notification,
  showDialog,
  WidgetTracker,
  type ICommandPalette
} from '@jupyterlab/apputils';
import type { IStateDB } from '@jupyterlab/statedb';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { ConnectionInfo, Run } from './api/client.js';
import { Declined } from './state/connectFlow.js';
import { copyText } from './ui/clipboard.js';
import { runicornIcon } from './ui/icons.js';
import type { Runicorn } from './ui/context.js';
import { MachinesView } from './machines/MachinesView.js';
import { RunsView } from './runs/RunsView.js';
import { CommandIDs, MACHINES_ID, PANEL_ID, RUNS_ID } from './ids.js';
import {
  locationOf,
  locationKey,
  parseLocation,
  type ViewerLocation
} from './state/viewerLocation.js';
import { openExternally } from './viewer/external.js';
import { LogTab } from './viewer/logTab.js';
import { ViewerTab } from './viewer/tab.js';
import { viewOf } from './viewer/view.js';
import { errorMessage } from './ui/messages.js';

/** What the commands need of the application. */
export interface ICommandOptions {
  app: JupyterFrontEnd;
  runicorn: Runicorn;
  /** Null in Notebook 7, where viewers get a browser tab of their own. */
  labShell: ILabShell | null;
  palette: ICommandPalette | null;
  restorer: ILayoutRestorer | null;
  state: IStateDB | null;
}

type Args = ReadonlyPartialJSONObject;

/** What is used of a notebook's tab; `@jupyterlab/notebook` has all of it. */
interface INotebookPanel {
  content: {
    widgets: readonly unknown[];
    activeCell: { model: { sharedModel: { setSource: (source: string) => void } } } | null;
  };
}

/** Registers the commands and keeps the viewers' tabs. */
export class Commands {
  constructor(options: ICommandOptions) {
    this._options = options;
    const { runicorn, restorer } = options;
    this._addPanelCommands();
    this._addConnectionCommands();
    this._addViewerCommands();
    this._addToMenus();
    void options.app.restored.then(() => {
      this._isRestoring = false;
    });
    if (restorer) {
      void restorer.restore(this._tabs, {
        command: CommandIDs.openViewer,
        args: ({ content: { at, fragment, isTrusted } }) => ({ ...at, fragment, isTrusted }),
        name: tab => locationKey(tab.content.at)
      });
      void restorer.restore(this._runs, {
        command: CommandIDs.showRuns,
        name: () => RUNS_ID
      });
      void restorer.restore(this._machines, {
        command: CommandIDs.showMachines,
        name: () => MACHINES_ID
      });
    }
    runicorn.store.eventReceived.connect((store, event) => {
      if (event.type === 'open_viewer' && event.connection_id && runicorn.settings.autoOpen) {
        const id = event.connection_id;
        void store.refresh().then(() => this.openConnection(id));
      }
    });
  }

  /** Show the side panel. */
  readonly showPanel = (): void => {
    this._options.app.shell.activateById(PANEL_ID);
  };

  /** Show the runs of all servers. */
  readonly showRuns = (): void => {
    const { app, runicorn, state } = this._options;
    let view = this._runs.currentWidget;
    if (!view) {
      view = new RunsView({
        ...{ runicorn, state },
        insertCell: source => void this._insertCell(source),
        ...{ openRun: this.openRun, showPanel: this.showPanel },
        showMachine: this.showMachine
      });
      void this._runs.add(view);
      app.shell.add(view, 'main');
    }
    app.shell.activateById(view.id);
  };

  /** Show the machines of all servers. */
  readonly showMachines = (): void => {
    const { app, runicorn } = this._options;
    let view = this._machines.currentWidget;
    if (!view) {
      view = new MachinesView(runicorn, this.openRun, this.showPanel);
      void this._machines.add(view);
      app.shell.add(view, 'main');
    }
    app.shell.activateById(view.id);
  };

  /** Show the machine behind a connection. */
  readonly showMachine = (connectionId: string): void => {
    this.showMachines();
    this._machines.currentWidget?.reveal(connectionId);
  };

  /** Put a text into a new cell of the notebook that was used last; without one, on the clipboard. */
  private async _insertCell(source: string): Promise<void> {
    const { app, runicorn } = this._options;
    const { trans } = runicorn;
    const notebooks = [...app.shell.widgets('main')]
      .filter(widget => widget.hasClass('jp-NotebookPanel'))
      .map(widget => (widget as unknown as INotebookPanel).content);
    const before = notebooks.map(notebook => notebook.widgets.length);
    if (notebooks.length > 0) {
      await app.commands.execute('notebook:insert-cell-below');
    }
    const changed = notebooks.find((notebook, at) => notebook.widgets.length > before[at]!);
    if (changed?.activeCell) {
      // Its editor may not be there yet: the text goes into the model.
      changed.activeCell.model.sharedModel.setSource(source);
    } else {
      await copyText(source);
      Notification.info(trans.__('No notebook is open: the cell’s text is on the clipboard.'), {
        autoClose: 5000
      });
    }
  }

  /** Show the log of a connection's viewer in a tab. */
  readonly showLog = (connectionId: string): void => {
    const { app, runicorn } = this._options;
    const connection = runicorn.store.connection(connectionId);
    let tab = this._logs.find(other => other.connectionId === connectionId);
    if (!tab && connection) {
      tab = new LogTab(runicorn, connection);
      void this._logs.add(tab);
      app.shell.add(tab, 'main');
    }
    if (tab) {
      app.shell.activateById(tab.id);
    }
  };

  /** Show a run's page in its viewer. */
  readonly openRun = (run: Run): void => {
    const connection = this._options.runicorn.store.connection(run.connection_id);
    if (connection?.viewer) {
      this.openAt(locationOf(connection), `#!${run.page}`);
    } else {
      this.showPanel();
    }
  };

  /** Show the viewer that a connection holds. */
  openConnection(connectionId: string): void {
    const connection = this._options.runicorn.store.connection(connectionId);
    if (connection?.viewer) {
      this.openAt(locationOf(connection));
    }
  }

  /**
   * Show the viewer at a place: in its tab, or in a browser tab where there are none.
   *
   * @param isTrusted - Whether the person named the place; else they are asked before anything is sent.
   */
  openAt(at: ViewerLocation, fragment = '', isTrusted = true): void {
    const { app, runicorn, labShell } = this._options;
    if (labShell === null) {
      this._openExternally(at, fragment);
      return;
    }
    let tab = this._tabs.find(other => locationKey(other.content.at) === locationKey(at));
    if (!tab) {
      const made = new ViewerTab(
        { runicorn, at, showPanel: this.showPanel, fragment, isTrusted },
        this.showMachine
      );
      made.content.fragmentChanged.connect(() => void this._tabs.save(made));
      void this._tabs.add(made);
      tab = made;
      app.shell.add(tab, 'main');
    } else if (fragment) {
      tab.content.go(fragment);
    }
    if (isTrusted) {
      tab.content.trust();
    }
    app.shell.activateById(tab.id);
  }

  private _addPanelCommands(): void {
    const { app, runicorn } = this._options;
    const { trans, store } = runicorn;
    app.commands.addCommand(CommandIDs.showPanel, {
      label: args => (args.isLauncher ? trans.__('Runicorn') : trans.__('Show Runicorn')),
      caption: trans.__('See the training runs on your servers'),
      icon: args => (args.isPalette ? undefined : runicornIcon),
      execute: this.showPanel
    });
    app.commands.addCommand(CommandIDs.showRuns, {
      label: trans.__('Show the Runs of All Servers'),
      caption: trans.__('One table of the training runs on all servers'),
      icon: args => (args.isPalette ? undefined : runicornIcon),
      execute: this.showRuns
    });
    app.commands.addCommand(CommandIDs.showMachines, {
      label: trans.__('Show the Machines of All Servers'),
      caption: trans.__('The GPUs of all servers, and who uses them'),
      icon: args => (args.isPalette ? undefined : runicornIcon),
      execute: this.showMachines
    });
    app.commands.addCommand(CommandIDs.refresh, {
      label: trans.__('Refresh the Connections'),
      execute: async () => {
        await Promise.all([store.refresh(), store.readSuggestions()]);
      }
    });
  }

  private _addConnectionCommands(): void {
    const { app, runicorn } = this._options;
    const { trans, store, flow, client } = runicorn;
    app.commands.addCommand(CommandIDs.connect, {
      label: trans.__('Connect to a Server…'),
      caption: trans.__('Connect to a server by SSH'),
      execute: async (args: Args) => {
        const at = parseLocation(args);
        if (at === null) {
          runicorn.draft({});
          this.showPanel();
          return;
        }
        // Arguments may be of a button in a document of anybody.
        if (!(await runicorn.confirmLocation(at))) {
          return;
        }
        await this._report(() =>
          flow.connect({
            host: at.host,
            username: at.username ?? undefined,
            port: at.port ?? undefined,
            timeout: runicorn.settings.timeout
          })
        );
      }
    });
    app.commands.addCommand(CommandIDs.disconnect, {
      label: trans.__('Disconnect…'),
      isEnabled: () => store.connections.length > 0,
      execute: async (args: Args) => {
        const connection = await this._choose(args, trans.__('Disconnect'), store.connections);
        if (connection) {
          await this._report(() => client.disconnect(connection.connection_id));
          await store.refresh();
        }
      }
    });
  }

  private _addViewerCommands(): void {
    const { app, runicorn } = this._options;
    const { trans, store, client } = runicorn;
    const withViewer = (): ConnectionInfo[] =>
      store.connections.filter(item => item.viewer !== null);
    app.commands.addCommand(CommandIDs.openViewer, {
      label: trans.__('Open Viewer…'),
      caption: trans.__('Show the viewer of a connection'),
      execute: async (args: Args) => {
        const at = parseLocation(args);
        if (at) {
          const fragment = typeof args.fragment === 'string' ? args.fragment : '';
          // Of a layout the person made the tabs; later, arguments may be of a document of anybody.
          this.openAt(at, fragment, this._isRestoring && args.isTrusted !== false);
          return;
        }
        const connection = await this._choose(args, trans.__('Open viewer'), withViewer());
        if (connection) {
          this.openConnection(connection.connection_id);
        } else {
          this.showPanel();
        }
      }
    });
    app.commands.addCommand(CommandIDs.stopViewer, {
      label: trans.__('Stop Viewer…'),
      isEnabled: () => withViewer().length > 0,
      execute: async (args: Args) => {
        const connection = await this._choose(args, trans.__('Stop viewer'), withViewer());
        if (connection) {
          await this._report(() => client.stopViewer(connection.connection_id));
          await store.refresh();
        }
      }
    });
    app.commands.addCommand(CommandIDs.openExternally, {
      label: trans.__('Open Viewer in a Browser Tab'),
      isEnabled: () => this._current() !== null || withViewer().length > 0,
      execute: async (args: Args) => {
        const at = parseLocation(args) ?? this._current()?.content.at;
        if (at) {
          this._openExternally(at);
          return;
        }
        const connection = await this._choose(args, trans.__('Open viewer'), withViewer());
        if (connection) {
          this._openExternally(locationOf(connection));
        }
      }
    });
    app.commands.addCommand(CommandIDs.reloadViewer, {
      label: trans.__('Reload Viewer'),
      isEnabled: () => this._current() !== null,
      execute: () => this._current()?.content.reload()
    });
  }

  private _addToMenus(): void {
    const { app, runicorn, palette, labShell } = this._options;
    const { trans, store } = runicorn;
    const category = trans.__('Runicorn');
    const { reloadViewer, showRuns, showMachines } = CommandIDs;
    const tabCommands: string[] = [reloadViewer, showRuns, showMachines];
    for (const command of Object.values(CommandIDs)) {
      if (labShell !== null || !tabCommands.includes(command)) {
        palette?.addItem({ command, category, args: { isPalette: true } });
      }
    }
    for (const command of [CommandIDs.openExternally, CommandIDs.reloadViewer]) {
      app.contextMenu.addItem({ command, selector: '.lm-TabBar-tab.rj-Tab', rank: 5 });
    }
    store.changed.connect(() => {
      app.commands.notifyCommandChanged(CommandIDs.disconnect);
      app.commands.notifyCommandChanged(CommandIDs.stopViewer);
      app.commands.notifyCommandChanged(CommandIDs.openExternally);
    });
  }

  /** The tab that was pressed for a menu, else the current one. */
  private _current(): ViewerTab | null {
    const pressed = this._options.app.contextMenuHitTest(node => 'rjViewer' in node.dataset);
    const id = pressed?.dataset.rjViewer;
    return this._tabs.find(tab => tab.id === id) ?? this._tabs.currentWidget;
  }

  private _openExternally(at: ViewerLocation, fragment = ''): void {
    const { runicorn } = this._options;
    const view = viewOf(runicorn.store, at);
    if ('url' in view && view.url) {
      openExternally(runicorn, at.host, view.url + fragment);
    } else {
      this.showPanel();
    }
  }

  /** The connection that a command is about; asks only where there are several. */
  private async _choose(
    args: Args,
    label: string,
    connections: readonly ConnectionInfo[]
  ): Promise<ConnectionInfo | null> {
    const named = connections.find(item => item.connection_id === args.connection_id);
    if (named || args.connection_id || connections.length < 2) {
      return named ?? (args.connection_id ? null : (connections[0] ?? null));
    }
    const { trans } = this._options.runicorn;
    const items = connections.map(
      (item, index) =>
        `${index + 1}. ${item.username}@${item.host}${item.viewer?.env_name ? ` · ${item.viewer.env_name}` : ''}`
    );
    const result = await InputDialog.getItem({
      title: trans.__('Which connection?'),
      items,
      okLabel: label
    });
    return result.button.accept && result.value
      ? (connections[items.indexOf(result.value)] ?? null)
      : null;
  }

  private async _report(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (reason) {
      if (reason instanceof Declined) {
        return;
      }
      const words = errorMessage(this._options.runicorn.trans, reason);
      await showDialog({
        title: words.title,
        body: [words.hint, words.detail].filter(Boolean).join('\n\n'),
        buttons: [Dialog.okButton()]
      });
    }
  }

  private readonly _options: ICommandOptions;
  private _isRestoring = true;
  private readonly _runs = new WidgetTracker<RunsView>({ namespace: RUNS_ID });
  private readonly _machines = new WidgetTracker<MachinesView>({ namespace: MACHINES_ID });
  private readonly _logs = new WidgetTracker<LogTab>({ namespace: 'runicorn-logs' });
  private readonly _tabs = new WidgetTracker<ViewerTab>({ namespace: 'runicorn-viewer' });
}
