/** Asks the questions of `state/questions.ts` with JupyterLab's dialogs. */

import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { HostAlias, HostKey, Prompt, SetupPlan, StorageRoot, Viewer } from '../api/client.js';
import type { IQuestions } from '../state/questions.js';
import { Facts, Fingerprint } from './shared.js';
import type { ViewerLocation } from '../state/viewerLocation.js';
import { ErrorBoundary } from './ErrorBoundary.js';
import { plainText } from './plain.js';
import { chosenRoot, Roots, SetupText } from './SetupQuestions.js';
import { ServerWords } from './ServerWords.js';

/** The body of a dialog, and what was entered in it. */
class QuestionBody<T> extends ReactWidget {
  /**
   * @param draw - Draws it, as a component does.
   * @param read - Reads what was entered from the body's node.
   */
  constructor(
    private readonly trans: TranslationBundle,
    private readonly draw: () => JSX.Element,
    private readonly read: (node: HTMLElement) => T
  ) {
    super();
    this.addClass('rj-Dialog');
  }

  /** Whether the person cannot see what is asked. */
  get hasFailed(): boolean {
    return this._hasFailed;
  }

  getValue(): T {
    return this.read(this.node);
  }

  override render(): JSX.Element {
    const Body = this.draw;
    return (
      <ErrorBoundary
        trans={this.trans}
        onChange={hasFailed => {
          this._hasFailed = hasFailed;
        }}
      >
        <Body />
      </ErrorBoundary>
    );
  }

  private _hasFailed = false;
}

/** One field a prompt. */
function Prompts(props: {
  instruction: string;
  prompts: Prompt[];
  said: string;
  trans: TranslationBundle;
}): JSX.Element {
  const id = React.useId();
  return (
    <>
      {props.said && <ServerWords text={props.said} trans={props.trans} />}
      {props.instruction && <p className="rj-pre">{props.instruction}</p>}
      {props.prompts.map((prompt, index) => (
        <div key={index} className="rj-Field">
          <label className="rj-pre" htmlFor={`${id}-${index}`}>
            {prompt.text.trim().replace(/:$/, '')}
          </label>
          <input
            id={`${id}-${index}`}
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

/** A choice among hosts: all are chosen to begin with. */
function Hosts(props: { hosts: readonly HostAlias[] }): JSX.Element {
  return (
    <ul className="rj-Hosts">
      {props.hosts.map(host => (
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

function inputsOf(node: HTMLElement): HTMLInputElement[] {
  return Array.from(node.querySelectorAll('input'));
}

/** Asks with modal dialogs; what changes nothing is always the default. */
export class DialogQuestions implements IQuestions {
  constructor(trans: TranslationBundle) {
    this._trans = trans;
  }

  async trustHostKey(key: HostKey): Promise<boolean> {
    const trans = this._trans;
    const where = key.port === 22 ? key.host : `${key.host}:${key.port}`;
    return this._agree({
      title: trans.__('Is this really %1?', where),
      draw: () => (
        <>
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
        </>
      ),
      no: trans.__("Don't connect"),
      yes: Dialog.warnButton({ label: trans.__('Trust and connect') })
    });
  }

  async forgetHostKey(key: HostKey): Promise<boolean> {
    const trans = this._trans;
    return this._agree({
      title: trans.__('Forget the known key of %1?', key.host),
      draw: () => (
        <p>
          {trans.__(
            'Do this only if you know why the key changed. You will be shown the new fingerprint to compare.'
          )}
        </p>
      ),
      no: trans.__('Keep it'),
      yes: Dialog.warnButton({ label: trans.__('Forget the key') })
    });
  }

  async answer(
    host: string,
    instruction: string,
    prompts: Prompt[],
    said: string
  ): Promise<string[] | null> {
    const trans = this._trans;
    return this._ask({
      title: trans.__('%1 asks', host),
      draw: () => <Prompts {...{ instruction, prompts, said, trans }} />,
      read: node => inputsOf(node).map(input => input.value),
      yes: Dialog.okButton({ label: trans.__('Continue') }),
      focusNodeSelector: 'input'
    });
  }

  /** Which hosts of the ssh config to save as connections; null if none after all. */
  async chooseHosts(hosts: readonly HostAlias[]): Promise<string[] | null> {
    const trans = this._trans;
    return this._ask({
      title: trans.__('Save hosts of your SSH configuration'),
      draw: () => <Hosts hosts={hosts} />,
      read: node =>
        inputsOf(node)
          .filter(input => input.checked)
          .map(input => input.value),
      yes: Dialog.okButton({ label: trans.__('Save') })
    });
  }

  /**
   * Whether to connect to a place that a document names.
   *
   * @param alias - What the ssh config says of its host.
   */
  async confirmLocation(at: ViewerLocation, alias: HostAlias | undefined): Promise<boolean> {
    const trans = this._trans;
    const fromConfig = trans.__('as your SSH configuration says');
    const host = alias && alias.hostname !== at.host ? `${at.host} (${alias.hostname})` : at.host;
    const shown = (text: string): JSX.Element => <bdi className="rj-pre">{plainText(text)}</bdi>;
    return this._agree({
      title: trans.__('Connect to this server?'),
      draw: () => (
        <>
          <p>
            {trans.__(
              'A document that is not trusted, or a command with a server in it, asks for this. Connect only if you know this server and storage root.'
            )}
          </p>
          <Facts
            facts={[
              [trans.__('Host'), shown(host)],
              [trans.__('User name'), shown(at.username ?? alias?.username ?? fromConfig)],
              [trans.__('Port'), shown(String(at.port ?? alias?.port ?? fromConfig))],
              [
                trans.__('Storage root'),
                shown(at.remote_root ?? trans.__('as the environment says'))
              ],
              [trans.__('Environment'), shown(at.env_name ?? trans.__('the one that you choose'))]
            ]}
          />
        </>
      ),
      no: trans.__("Don't connect"),
      yes: Dialog.warnButton({ label: trans.__('Connect') })
    });
  }

  async setUp(
    host: string,
    plan: SetupPlan,
    roots: readonly StorageRoot[]
  ): Promise<string | null> {
    const trans = this._trans;
    return this._ask({
      title: trans.__('Set up Runicorn on %1?', host),
      draw: () => (
        <>
          <SetupText plan={plan} trans={trans} />
          <Roots roots={roots} trans={trans} />
        </>
      ),
      read: chosenRoot,
      yes: Dialog.okButton({ label: trans.__('Set up and open') })
    });
  }

  async chooseRoot(host: string, roots: readonly StorageRoot[]): Promise<string | null> {
    const trans = this._trans;
    return this._ask({
      title: trans.__('Which runs on %1?', host),
      draw: () => <Roots roots={roots} trans={trans} />,
      read: chosenRoot,
      yes: Dialog.okButton({ label: trans.__('Open viewer') })
    });
  }

  async replaceViewer(running: Viewer, wanted: ViewerLocation): Promise<boolean> {
    const trans = this._trans;
    const nameOf = (at: Viewer | ViewerLocation): string =>
      [at.env_name, at.remote_root].filter(Boolean).join(' · ');
    return this._agree({
      title: trans.__('Show another viewer?'),
      draw: () => (
        <>
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
        </>
      ),
      no: trans.__('Keep it'),
      yes: Dialog.okButton({ label: trans.__('Stop it and open') })
    });
  }

  /** Ask for a yes; Enter says no. */
  private async _agree(question: {
    title: string;
    draw: () => JSX.Element;
    no: string;
    yes: Dialog.IButton;
  }): Promise<boolean> {
    const answer = await this._ask({ ...question, read: () => true, defaultButton: 0 });
    return answer !== null;
  }

  /** Ask for what is entered; null if the person would rather not, or could not see what is asked. */
  private async _ask<T>(question: {
    title: string;
    draw: () => JSX.Element;
    read: (node: HTMLElement) => T;
    no?: string;
    yes: Dialog.IButton;
    defaultButton?: number;
    focusNodeSelector?: string;
  }): Promise<T | null> {
    const { title, draw, read, no, yes, ...options } = question;
    const body = new QuestionBody(this._trans, draw, read);
    const cancel = Dialog.cancelButton({ label: no ?? this._trans.__('Cancel') });
    const result = await showDialog<T>({ title, body, buttons: [cancel, yes], ...options });
    return result.button.accept && !body.hasFailed ? result.value : null;
  }

  private readonly _trans: TranslationBundle;
}
