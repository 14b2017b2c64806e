/** The person's settings, with their titles in the person's language. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { AuthMethod } from '../api/client.js';
import { PLUGIN_ID } from '../ids.js';

/** The person's settings, as `schema/plugin.json` has them. */
export interface ISettings {
  autoOpen: boolean;
  authMethod: AuthMethod;
  timeout: number;
  logLines: number;
  showStatus: boolean;
  notifyRuns: boolean;
}

/** The defaults; a test compares them with the schema's. */
export const DEFAULT_SETTINGS: ISettings = {
  autoOpen: true,
  authMethod: 'key',
  timeout: 30,
  logLines: 200,
  showStatus: true,
  notifyRuns: true
};

const TRANSLATED = new Set(['title', 'description']);

/**
 * Translate the titles and descriptions of a schema.
 *
 * Jupyter's server does so only for packages whose words are in a language pack.
 */
export function translateSchema(schema: unknown, trans: TranslationBundle): unknown {
  if (Array.isArray(schema)) {
    return schema.map(item => translateSchema(item, trans));
  }
  if (typeof schema !== 'object' || schema === null) {
    return schema;
  }
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      TRANSLATED.has(key) && typeof value === 'string'
        ? trans._p('schema', value)
        : translateSchema(value, trans)
    ])
  );
}

/** Read the settings, and follow their changes. */
export function loadSettings(
  registry: ISettingRegistry,
  trans: TranslationBundle,
  apply: (values: Partial<ISettings>) => void
): void {
  registry.transform(PLUGIN_ID, {
    fetch: plugin => ({
      ...plugin,
      schema: translateSchema(plugin.schema, trans) as ISettingRegistry.ISchema
    })
  });
  registry.load(PLUGIN_ID).then(
    settings => {
      const update = (): void => apply(settings.composite);
      settings.changed.connect(update);
      update();
    },
    (reason: unknown) => console.warn('The settings of Runicorn could not be read.', reason)
  );
}
