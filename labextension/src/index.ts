/** The plugins. Everything of the application is optional, so Notebook 7 gets what it has room for. */

import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, IThemeManager } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { RunicornRemoteClient } from './api/client.js';
import { Commands } from './commands.js';
import { ColorScheme } from './ui/colorScheme.js';
import { Dates } from './ui/dates.js';
import { laterQuestions } from './ui/laterQuestions.js';
import { followEvents } from './state/events.js';
import { ConnectFlow } from './state/connectFlow.js';
import { IRunicorn, Runicorn } from './ui/context.js';
import { RunicornPanel } from './panel/Panel.js';
import { createCurvesFactory } from './curvesOutput.js';
import { createRendererFactory } from './notebookOutput.js';
import { MachinesStore } from './state/machines.js';
import { notifyOfRuns } from './runs/notify.js';
import { RunsStore } from './state/runs.js';
import { loadSettings, type ISettings } from './state/settings.js';
import { RemoteStore } from './state/store.js';
import { StatusItem } from './ui/Status.js';
import { CommandIDs, DOMAIN, PANEL_ID, PLUGIN_ID } from './ids.js';

const plugin: JupyterFrontEndPlugin<Runicorn> = {
  id: PLUGIN_ID,
  description: 'Connects to servers over SSH and shows their Runicorn viewers.',
  autoStart: true,
  provides: IRunicorn,
  optional: [ITranslator, ISettingRegistry, IThemeManager],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    registry: ISettingRegistry | null,
    themes: IThemeManager | null
  ): Runicorn => {
    const { languageCode } = (translator ??= nullTranslator);
    const trans = translator.load(DOMAIN);
    const dates = new Dates(languageCode, navigator.languages);
    const { serverSettings } = app.serviceManager;
    const client = new RunicornRemoteClient(serverSettings.baseUrl, {
      token: serverSettings.token
    });
    const store = new RemoteStore(client);
    const questions = laterQuestions(trans);
    const flow = new ConnectFlow(client, store, questions);
    const runs = new RunsStore(client, store);
    const machines = new MachinesStore(client, store);
    const runicorn = new Runicorn(
      ...([client, store, runs, machines] as const),
      ...([flow, questions, trans, dates, new ColorScheme(themes)] as const)
    );
    if (registry) {
      const apply = (values: Partial<ISettings>): void => runicorn.applySettings(values);
      runicorn.saveSetting = loadSettings(registry, trans, apply);
    }
    // Its socket's opening reads the connections; neither delays the application's start.
    void app.started.then(() => {
      followEvents(store, serverSettings);
      return store.readSuggestions();
    });
    return runicorn;
  }
};

const views: JupyterFrontEndPlugin<void> = {
  id: 'runicorn-jupyter:views',
  description: 'The panel, the commands, the tabs and the notebook outputs of Runicorn.',
  autoStart: true,
  requires: [IRunicorn],
  optional: [
    ILabShell,
    ILayoutRestorer,
    ICommandPalette,
    ILauncher,
    IStatusBar,
    IRenderMimeRegistry,
    IStateDB
  ],
  activate: (
    app: JupyterFrontEnd,
    runicorn: Runicorn,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    statusBar: IStatusBar | null,
    rendermime: IRenderMimeRegistry | null,
    state: IStateDB | null
  ): void => {
    const commands = new Commands({
      ...{ app, runicorn, labShell, palette, restorer, state }
    });
    const panel = new RunicornPanel(runicorn, {
      openViewer: id => commands.openConnection(id),
      openRun: commands.openRun,
      showRuns: labShell && commands.showRuns,
      showMachines: labShell && commands.showMachines,
      showLog: labShell && commands.showLog
    });
    app.shell.add(panel, 'left', { rank: 650, type: 'Runicorn' });
    restorer?.add(panel, PANEL_ID);
    launcher?.add({ command: CommandIDs.showPanel, args: { isLauncher: true }, rank: 5 });
    notifyOfRuns(runicorn, commands.openRun, labShell && commands.showRuns);
    rendermime?.addFactory(createRendererFactory(runicorn, commands.showPanel));
    rendermime?.addFactory(createCurvesFactory(runicorn));
    statusBar?.registerStatusItem('runicorn-jupyter:status', {
      item: new StatusItem(runicorn, commands.showPanel),
      align: 'left',
      rank: 20,
      isActive: () => runicorn.settings.showStatus,
      activeStateChanged: runicorn.settingsChanged
    });
  }
};

export default [plugin, views];
