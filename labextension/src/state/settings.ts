/** The person's settings, with their titles in the person's language. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { TranslationBundle } from '@jupyterlab/translation';
import type {
  PartialJSONValue,
  ReadonlyPartialJSONObject,
  ReadonlyPartialJSONValue
} from '@lumino/coreutils';

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
  /** The table of runs as a new workspace has it; `runs/layout.ts` reads it. */
  runsTable: ReadonlyPartialJSONObject;
  /** What is offered where runs are filtered. */
  runsFilters: readonly string[];
}

/** The defaults; a test compares them with the schema's. */
export const DEFAULT_SETTINGS: ISettings = {
  autoOpen: true,
  authMethod: 'key',
  timeout: 30,
  logLines: 200,
  showStatus: true,
  notifyRuns: true,
  runsTable: {},
  runsFilters: []
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

/** Changes a setting of the person's. */
export type SaveSetting = (name: keyof ISettings, value: ReadonlyPartialJSONValue) => Promise<void>;

/** Read the settings, and follow their changes; what is returned changes one. */
export function loadSettings(
  registry: ISettingRegistry,
  trans: TranslationBundle,
  apply: (values: Partial<ISettings>) => void
): SaveSetting {
  registry.transform(PLUGIN_ID, {
    fetch: plugin => ({
      ...plugin,
      schema: translateSchema(plugin.schema, trans) as ISettingRegistry.ISchema
    })
  });
  const loading = registry.load(PLUGIN_ID);
  loading.then(
    settings => {
      const update = (): void => apply(settings.composite);
      settings.changed.connect(update);
      update();
    },
    (reason: unknown) => console.warn('The settings of Runicorn could not be read.', reason)
  );
  return async (name, value) => (await loading).set(name, value as PartialJSONValue);
}
