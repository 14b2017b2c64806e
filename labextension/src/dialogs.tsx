/** The questions of `flow.ts` as JupyterLab's dialogs. */

import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { IHostAlias, IHostKey, IPrompt, IViewer } from './client.js';
import type { IQuestions } from './flow.js';
import { Facts, Fingerprint } from './panel/shared.js';
import type { ICoordinate } from './tokens.js';

/** The body of a challenge: one field a prompt. */
class PromptBody extends ReactWidget {
  constructor(instruction: string, prompts: IPrompt[]) {
    super();
    this.id = `rj-prompts-${(PromptBody._count += 1)}`;
    this.addClass('rj-Dialog');
    this._instruction = instruction;
    this._prompts = prompts;
  }

  getValue(): string[] {
    return Array.from(this.node.querySelectorAll('input'), input => input.value);
  }

  override render(): JSX.Element {
    return (
      <>
        {this._instruction && <p className="rj-pre">{this._instruction}</p>}
        {this._prompts.map((prompt, index) => (
          <div key={index} className="rj-Field">
            <label htmlFor={`${this.id}-${index}`}>{prompt.text.trim().replace(/:$/, '')}</label>
            <input
              id={`${this.id}-${index}`}
              className="jp-mod-styled"
              type={prompt.echo ? 'text' : 'password'}
              autoComplete={prompt.echo ? 'off' : 'one-time-code'}
              spellCheck={false}
            />
          </div>
        ))}
      </>
    );
  }

  private static _count = 0;
  private readonly _instruction: string;
  private readonly _prompts: IPrompt[];
}

/** The body of a choice among hosts: all are chosen to begin with. */
class HostsBody extends ReactWidget {
  constructor(hosts: readonly IHostAlias[]) {
    super();
    this.addClass('rj-Dialog');
    this._hosts = hosts;
  }

  getValue(): string[] {
    return Array.from(this.node.querySelectorAll('input'))
      .filter(input => input.checked)
      .map(input => input.value);
  }

  override render(): JSX.Element {
    return (
      <ul className="rj-Hosts">
        {this._hosts.map(host => (
          <li key={host.alias}>
            <label>
              <input type="checkbox" value={host.alias} defaultChecked /> {host.alias}{' '}
              <span className="rj-Quiet">
                {host.username}@{host.hostname}
                {host.port === 22 ? '' : `:${host.port}`}
              </span>
            </label>
          </li>
        ))}
      </ul>
    );
  }

  private readonly _hosts: readonly IHostAlias[];
}

/** Asks with modal dialogs; what changes nothing is always the default. */
export class DialogQuestions implements IQuestions {
  constructor(trans: TranslationBundle) {
    this._trans = trans;
  }

  async trustHostKey(key: IHostKey): Promise<boolean> {
    const trans = this._trans;
    const where = key.port === 22 ? key.host : `${key.host}:${key.port}`;
    const result = await showDialog({
      title: trans.__('Is this really %1?', where),
      body: (
        <div className="rj-Dialog">
          <p>
            {trans.__(
              'You connect to this server for the first time. Its key has this fingerprint; compare it with what its administrator gave you.'
            )}
          </p>
          <Facts
            facts={[
              [trans.__('Fingerprint'), <Fingerprint of={key.fingerprint_sha256} />],
              [trans.__('Type of key'), key.key_type]
            ]}
          />
        </div>
      ),
      buttons: [
        Dialog.cancelButton({ label: trans.__("Don't connect") }),
        Dialog.warnButton({ label: trans.__('Trust and connect') })
      ],
      defaultButton: 0
    });
    return result.button.accept;
  }

  async forgetHostKey(key: IHostKey): Promise<boolean> {
    const trans = this._trans;
    const result = await showDialog({
      title: trans.__('Forget the known key of %1?', key.host),
      body: trans.__(
        'Do this only if you know why the key changed. You will be shown the new fingerprint to compare.'
      ),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Keep it') }),
        Dialog.warnButton({ label: trans.__('Forget the key') })
      ],
      defaultButton: 0
    });
    return result.button.accept;
  }

  async answer(host: string, instruction: string, prompts: IPrompt[]): Promise<string[] | null> {
    const trans = this._trans;
    const result = await showDialog<string[]>({
      title: trans.__('%1 asks', host),
      body: new PromptBody(instruction, prompts),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: trans.__('Continue') })
      ],
      focusNodeSelector: 'input'
    });
    return result.button.accept ? (result.value ?? []) : null;
  }

  /** Which hosts of the ssh config to save as connections; null if none after all. */
  async chooseHosts(hosts: readonly IHostAlias[]): Promise<string[] | null> {
    const trans = this._trans;
    const result = await showDialog<string[]>({
      title: trans.__('Save hosts of your SSH configuration'),
      body: new HostsBody(hosts),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: trans.__('Save') })
      ]
    });
    return result.button.accept ? (result.value ?? []) : null;
  }

  async replaceViewer(running: IViewer, wanted: ICoordinate): Promise<boolean> {
    const trans = this._trans;
    const nameOf = (at: IViewer | ICoordinate): string =>
      [at.env_name, at.remote_root].filter(Boolean).join(' · ');
    const result = await showDialog({
      title: trans.__('Show another viewer?'),
      body: (
        <div className="rj-Dialog">
          <p>
            {trans.__(
              'This connection shows a viewer already. It will be stopped; the training runs themselves are not touched.'
            )}
          </p>
          <Facts
            facts={[
              [trans.__('Shown now'), nameOf(running)],
              [trans.__('Shown then'), nameOf(wanted)]
            ]}
          />
        </div>
      ),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Keep it') }),
        Dialog.okButton({ label: trans.__('Stop it and open') })
      ],
      defaultButton: 0
    });
    return result.button.accept;
  }

  private readonly _trans: TranslationBundle;
}
