/** The dialogs of `dialogs.tsx`, which are loaded with the first question. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { IQuestions } from '../state/questions.js';

/** Make what asks a person with modal dialogs. */
export function laterQuestions(trans: TranslationBundle): IQuestions {
  const dialogs = async (): Promise<IQuestions> => {
    const { DialogQuestions } = await import('./dialogs.js');
    return new DialogQuestions(trans);
  };
  return {
    trustHostKey: async (...about) => (await dialogs()).trustHostKey(...about),
    forgetHostKey: async (...about) => (await dialogs()).forgetHostKey(...about),
    answer: async (...about) => (await dialogs()).answer(...about),
    chooseHosts: async (...about) => (await dialogs()).chooseHosts(...about),
    confirmLocation: async (...about) => (await dialogs()).confirmLocation(...about),
    setUp: async (...about) => (await dialogs()).setUp(...about),
    chooseRoot: async (...about) => (await dialogs()).chooseRoot(...about),
    replaceViewer: async (...about) => (await dialogs()).replaceViewer(...about)
  };
}
