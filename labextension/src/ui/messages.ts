/** The words people see for the codes and states of the API. */

import type { TranslationBundle } from '@jupyterlab/translation';

import {
  RunicornError,
  type ConnectionStatus,
  type RunStatus,
  type ViewerState
} from '../api/client.js';
import { Declined } from '../state/connectFlow.js';
import type { IStep } from '../state/store.js';

/** What to offer beside an error. */
export type Remedy =
  'retry' | 'password' | 'forget-key' | 'copy-pip' | 'detect' | 'logs' | 'reload-page' | 'refresh';

/** An error in words. */
export interface IErrorMessage {
  /** What happened. */
  title: string;
  /** The way forward. */
  hint: string;
  /** What the server said beyond that, in English, or ''. */
  detail: string;
  /** What can be done at once. */
  remedies: Remedy[];
}

type Say = (trans: TranslationBundle) => [title: string, hint: string, ...remedies: Remedy[]];

/** Say an error in the person's language, with a way forward. */
export function errorMessage(trans: TranslationBundle, reason: unknown): IErrorMessage {
  if (reason instanceof Declined) {
    return { title: trans.__('Cancelled.'), hint: '', detail: '', remedies: [] };
  }
  const code = reason instanceof RunicornError ? reason.code : 'internal_error';
  const message = reason instanceof Error ? reason.message : String(reason);
  const [title, hint, ...remedies] = (WORDS[code] ?? unexpected)(trans);
  const detail = isSaid(code, reason) ? '' : message;
  const isEnglish = hint === (WORDS[code] ?? unexpected)(ENGLISH)[1];
  return {
    title,
    // What the server says of this case, in English, is more than what is true of each.
    hint: detail && SPECIFIC.has(code) && isEnglish ? '' : hint,
    detail,
    remedies: remedies.filter(remedy => CONDITIONS[remedy]?.(reason) ?? true)
  };
}

/** Codes whose own words say all that the server's sentence would. */
const QUIET = new Set([
  'server_unreachable',
  'connection_not_found',
  'viewer_not_running',
  'connection_lost'
]);

const ENGLISH = { __: (text: string) => text } as TranslationBundle;

/** Codes whose sentence from the server says what to do in this case. */
const SPECIFIC = new Set([
  'ssh_unavailable',
  'host_not_allowed',
  'invalid_parameters',
  'quota_reached'
]);

/** Whether our own words, and the facts shown beside them, say all that the server's sentence does. */
function isSaid(code: string, reason: unknown): boolean {
  return QUIET.has(code) || (code === 'host_key_changed' && hasKnownKey(reason));
}

/** Whether another key than the one offered is known; where none is, the key was revoked. */
function hasKnownKey(reason: unknown): boolean {
  return Boolean((reason as RunicornError).details?.host_key?.expected_fingerprint_sha256);
}

/** What has to be so for a remedy to help. */
const CONDITIONS: Partial<Record<Remedy, (reason: unknown) => boolean>> = {
  password: takesPassword,
  // A revoked key is refused whatever else is known of the host.
  'forget-key': hasKnownKey
};

function takesPassword(reason: unknown): boolean {
  const methods = (reason as RunicornError).details?.allowed_methods;
  return (
    !Array.isArray(methods) ||
    methods.includes('password') ||
    methods.includes('keyboard-interactive')
  );
}

/** About connecting. */
const CONNECTING: Record<string, Say> = {
  authentication_failed: trans => [
    trans.__('The server did not accept you.'),
    trans.__('Check the user name, and the key or password; they may be for another account.'),
    'password'
  ],
  authentication_required: trans => [
    trans.__('The server wants to know more.'),
    trans.__('Connect again and answer its question.'),
    'retry'
  ],
  connection_timeout: trans => [
    trans.__('The server did not answer in time.'),
    trans.__(
      'Check the host name and port, and whether you need a VPN; a slow network needs a longer timeout.'
    ),
    'retry'
  ],
  ssh_unavailable: trans => [
    trans.__('The server cannot be reached by SSH.'),
    trans.__('Check the host name and port, and that an SSH server runs there.'),
    'retry'
  ],
  connection_lost: trans => [
    trans.__('The connection is down.'),
    trans.__('It is being re-established; this works again as soon as it is back.')
  ],
  host_key_unknown: trans => [
    trans.__('The identity of this server is not known yet.'),
    trans.__('Connect again and compare its fingerprint.'),
    'retry'
  ],
  host_key_changed: trans => [
    trans.__('The identity of this server has changed.'),
    trans.__(
      'It may have been installed anew, or someone may be intercepting the connection. Ask its administrator before you go on.'
    ),
    'forget-key'
  ],
  host_not_allowed: trans => [
    trans.__('Connections to this host are not allowed here.'),
    trans.__('The administrator of this Jupyter server decides which hosts are.')
  ],
  too_many_connections: trans => [
    trans.__('There are too many connections.'),
    trans.__('Disconnect one that you no longer need, then try again.')
  ],
  connection_not_found: trans => [
    trans.__('This connection is closed.'),
    trans.__('Connect to the host again.'),
    'refresh'
  ]
};

/** About what is on the server. */
const REMOTE: Record<string, Say> = {
  runicorn_not_installed: trans => [
    trans.__('Runicorn cannot be used in this environment.'),
    trans.__('Install it there with this command, then look for environments again.'),
    'copy-pip',
    'detect'
  ],
  environment_not_found: trans => [
    trans.__('The environment is not there any more.'),
    trans.__('Look for environments again, and choose another one.'),
    'detect'
  ],
  python_not_found: trans => [
    trans.__('The server has no Python that Runicorn can be set up with.'),
    trans.__(
      'It takes Python 3.8 or newer: ask its administrator, or install one with uv or conda.'
    ),
    'detect'
  ],
  environment_in_use: trans => [
    trans.__('Something runs in this environment.'),
    trans.__('Stop its viewer, on other connections too, and try again.')
  ],
  setup_cancelled: trans => [
    trans.__('Setting up Runicorn was cancelled.'),
    trans.__('What has arrived already is used the next time.')
  ],
  environment_setup_failed: trans => [
    trans.__('Runicorn could not be set up there.'),
    trans.__('The reason is below. What was there before is unchanged.'),
    'retry'
  ],
  packages_unreachable: trans => [
    trans.__('The packages of Runicorn cannot be had.'),
    trans.__('Neither the server nor this Jupyter server gets them; check proxy and index of pip.'),
    'retry'
  ],
  disk_full: trans => [
    trans.__('There is no room left on the server.'),
    trans.__('Free some space in your home there, and try again; it goes on from there.'),
    'retry'
  ],
  viewer_start_failed: trans => [
    trans.__('The viewer did not start.'),
    trans.__('Its last words are below; they usually tell why.'),
    'retry'
  ],
  viewer_already_running: trans => [
    trans.__('This connection shows another viewer already.'),
    trans.__('Stop that viewer first.')
  ],
  viewer_not_running: trans => [
    trans.__('No viewer is running.'),
    trans.__('Choose an environment and open it.')
  ]
};

/** About Jupyter's side. */
const JUPYTER: Record<string, Say> = {
  invalid_parameters: trans => [
    trans.__('Something in the form is not right.'),
    trans.__('Correct it and try again.')
  ],
  not_found: trans => [trans.__('This is not there any more.'), trans.__('Try again.'), 'refresh'],
  forbidden: trans => [
    trans.__('You are logged out of Jupyter.'),
    trans.__('Reload the page to log in again.'),
    'reload-page'
  ],
  memory_limit: trans => [
    trans.__('There is more data of these runs than this Jupyter server may keep.'),
    trans.__(
      'Choose fewer metrics, close a connection, or ask the administrator to raise the limit.'
    )
  ],
  quota_reached: trans => [
    trans.__('A limit of this Jupyter server is reached.'),
    trans.__('Stop what you no longer need, or try again in a minute; the administrator sets it.')
  ],
  misconfigured: trans => [
    trans.__('A setting of this Jupyter server is wrong.'),
    trans.__('Nothing is connected until its administrator has corrected it and restarted Jupyter.')
  ],
  server_unreachable: trans => [
    trans.__('The Jupyter server does not answer.'),
    trans.__('Check that it is running, and your network.'),
    'refresh'
  ],
  unexpected_response: trans => [
    trans.__('The answer did not come from Runicorn.'),
    trans.__('The server extension may be switched off, or a proxy is in the way.'),
    'refresh'
  ]
};

const unexpected: Say = trans => [
  trans.__('Something failed in the Jupyter server.'),
  trans.__('Its log has the details.'),
  'retry'
];

const WORDS: Record<string, Say> = { ...CONNECTING, ...REMOTE, ...JUPYTER };

/** Say the status of a connection. */
export function connectionLabel(trans: TranslationBundle, status: ConnectionStatus): string {
  switch (status) {
    case 'connecting':
      return trans.__('Connecting…');
    case 'connected':
      return trans.__('Connected');
    case 'reconnecting':
      return trans.__('Reconnecting…');
    default:
      return trans.__('Not connected');
  }
}

/** Say the state of a viewer; `unresponsive` is one that runs, but does not answer. */
export function viewerLabel(trans: TranslationBundle, state: ViewerState | 'unresponsive'): string {
  switch (state) {
    case 'unresponsive':
      return trans.__('Not answering');
    case 'starting':
      return trans.__('Starting…');
    case 'running':
      return trans.__('Running');
    case 'reconnecting':
      return trans.__('Reconnecting…');
    case 'crashed':
      return trans.__('Ended unexpectedly');
    default:
      return trans.__('Stopped');
  }
}

/** Say the state of a run. */
export function runStatusLabel(trans: TranslationBundle, status: RunStatus): string {
  switch (status) {
    case 'running':
      return trans.__('Running');
    case 'finished':
      return trans.__('Finished');
    case 'failed':
      return trans.__('Failed');
    default:
      return trans.__('Interrupted');
  }
}

/**
 * Say of a server why its runs are not current.
 *
 * @param time Since when, or null where none of its runs were ever read.
 */
export function runsProblemMessage(
  trans: TranslationBundle,
  code: string | undefined,
  time: string | null
): string {
  switch (code) {
    case 'connection_lost':
      return time
        ? trans.__('is not connected; its runs are those of %1.', time)
        : trans.__('is not connected.');
    case 'too_many_runs':
      return trans.__('has more runs than can be shown; some are left out.');
    case 'viewer_not_running':
      return trans.__('has no running viewer; open it to see its runs.');
    case 'viewer_answer_invalid':
      return trans.__('gives no list of runs; stop its viewer and open it again.');
    case 'internal_error':
      return trans.__(
        'is not followed any more; stop its viewer and open it again. The log of Jupyter has the details.'
      );
    default:
      return time
        ? trans.__('does not answer; its runs are those of %1.', time)
        : trans.__('does not answer.');
  }
}

/** Say what became of hosts that were to be saved as connections. */
export function importedMessage(
  trans: TranslationBundle,
  imported: number,
  skipped: readonly string[]
): string {
  const saved = trans._n('%1 connection was saved.', '%1 connections were saved.', imported);
  if (skipped.length === 0) {
    return saved;
  }
  const left = trans.__(
    'Not saved: %1; a connection has that name already, or no host can have it.',
    skipped.join(', ')
  );
  return `${saved} ${left}`;
}

const JUMP_HOST = 'jump host ';

/** Say the step that long work is at; a step we have no words for as the server puts it. */
export function stepLabel(
  trans: TranslationBundle,
  step: Pick<IStep, 'step' | 'message'> | undefined
): string {
  if (step?.step.startsWith(JUMP_HOST)) {
    return trans.__('Going through %1…', step.step.slice(JUMP_HOST.length));
  }
  switch (step?.step) {
    case undefined:
    case 'connecting':
      return trans.__('Connecting…');
    case 'authenticating':
      return trans.__('Logging in…');
    case 'probing':
      return trans.__('Looking for environments…');
    case 'adopting':
      return trans.__('Taking up the running viewer…');
    case 'starting':
      return trans.__('Starting the viewer…');
    case 'attaching':
      return trans.__('Almost there…');
    case 'waiting_for_others':
      return trans.__('Waiting until nobody else is changing it…');
    case 'making_environment':
      return trans.__('Making an environment…');
    case 'bringing_python':
      return trans.__('Bringing a Python…');
    case 'downloading_python':
      return trans.__('Downloading a Python to this Jupyter server…');
    case 'unpacking_python':
      return trans.__('Unpacking the Python…');
    case 'installing':
      return trans.__('Installing Runicorn…');
    case 'downloading_here':
      return trans.__('Downloading packages to this Jupyter server…');
    case 'sending':
      return step?.message
        ? trans.__('Sending packages: %1…', step.message)
        : trans.__('Sending packages…');
    case 'checking':
      return trans.__('Trying it out…');
    case 'removing':
      return trans.__('Removing…');
    default:
      return step?.message || trans.__('Working…');
  }
}

/** Say a latency in milliseconds, with as many digits as mean something. */
export function latencyLabel(trans: TranslationBundle, ms: number): string {
  return trans.__('%1 ms', ms < 10 ? ms.toFixed(1) : String(Math.round(ms)));
}

/** The command that installs Runicorn into an environment. */
export function pipCommand(pythonPath: string): string {
  const quoted = /^[\w@%+=:,./~-]+$/.test(pythonPath)
    ? pythonPath
    : `'${pythonPath.replace(/'/g, `'\\''`)}'`;
  return `${quoted} -m pip install runicorn`;
}
