/** Names by which other programs know us: commands, plugins, outputs. */

/** The translation domain, and the name of our `jupyterlab.locale` entry point. */
export const DOMAIN = 'runicorn_jupyter';
/** The settings' and the main plugin's id. */
export const PLUGIN_ID = 'runicorn-jupyter:plugin';
/** The schema of the server's events. */
export const EVENT_SCHEMA = 'https://schema.runicorn.dev/remote/v1';
/** The type of notebook outputs that show a viewer. */
export const MIME_TYPE = 'application/vnd.runicorn.viewer+json';
/** The type of notebook outputs that show curves. */
export const CURVES_MIME_TYPE = 'application/vnd.runicorn.curves+json';
/** The id of the side panel. */
export const PANEL_ID = 'runicorn-panel';
/** The id of the view of all runs. */
export const RUNS_ID = 'runicorn-runs';
/** The id of the view of all machines. */
export const MACHINES_ID = 'runicorn-machines';

/** The commands. */
export const CommandIDs = {
  showPanel: 'runicorn:show-panel',
  showRuns: 'runicorn:show-runs',
  showMachines: 'runicorn:show-machines',
  connect: 'runicorn:connect',
  disconnect: 'runicorn:disconnect',
  openViewer: 'runicorn:open-viewer',
  openExternally: 'runicorn:open-viewer-externally',
  reloadViewer: 'runicorn:reload-viewer',
  stopViewer: 'runicorn:stop-viewer',
  refresh: 'runicorn:refresh'
} as const;
