import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'runicorn-jupyter:plugin',
  description: "Runicorn's remote viewer: connect to servers over SSH and see their runs.",
  autoStart: true,
  activate: (_app: JupyterFrontEnd) => undefined
};

export default [plugin];
