/** The questions that only a person can answer; `ui/dialogs.tsx` asks them. */

import type { HostAlias, HostKey, Prompt, SetupPlan, StorageRoot, Viewer } from '../api/client.js';
import type { ViewerLocation } from './viewerLocation.js';

/** Asks a person. A declined question is answered with null or false. */
export interface IQuestions {
  /** Ask whether to trust the key of a host seen for the first time. */
  trustHostKey(key: HostKey): Promise<boolean>;
  /** Ask whether to forget the known key of a host whose key changed. */
  forgetHostKey(key: HostKey): Promise<boolean>;
  /**
   * Ask for what the SSH server, or an encrypted key, wants to know.
   *
   * @param said - What the server has said beside that, or ''.
   */
  answer(
    host: string,
    instruction: string,
    prompts: Prompt[],
    said: string
  ): Promise<string[] | null>;
  /** Ask which hosts of the ssh config to save as connections; returns their aliases. */
  chooseHosts(hosts: readonly HostAlias[]): Promise<string[] | null>;
  /**
   * Ask whether to connect to a location that a document names.
   *
   * @param alias - The entry of its host in the ssh config.
   */
  confirmLocation(at: ViewerLocation, alias: HostAlias | undefined): Promise<boolean>;
  /**
   * Ask whether to set up Runicorn on a server, and whose runs to show then.
   *
   * @returns The storage root, '' for Runicorn's own choice; null if nothing is to be set up.
   */
  setUp(host: string, plan: SetupPlan, roots: readonly StorageRoot[]): Promise<string | null>;
  /** Ask which storage root to show; '' is Runicorn's own choice. */
  chooseRoot(host: string, roots: readonly StorageRoot[]): Promise<string | null>;
  /** Ask whether to stop the running viewer for another one. */
  replaceViewer(running: Viewer, wanted: ViewerLocation): Promise<boolean>;
}
