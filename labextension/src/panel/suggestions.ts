/** What the Host field offers: a pure function of what is known. */

import type { HostAlias, Profile } from '../api/client.js';

/** Something to choose in the Host field. */
export interface ISuggestion {
  /** What is typed and searched. */
  name: string;
  /** Where it leads to. */
  where: string;
  profile?: Profile;
}

/** The suggestions of saved connections first, then of the ssh config. */
export function suggestionsOf(
  profiles: readonly Profile[],
  hosts: readonly HostAlias[]
): ISuggestion[] {
  const place = (user: string | null | undefined, host: string, port?: number): string =>
    `${user ? `${user}@` : ''}${host}${port && port !== 22 ? `:${port}` : ''}`;
  return [
    ...profiles.map(profile => ({
      name: profile.name,
      where: place(profile.username, profile.host, profile.port),
      profile
    })),
    ...hosts.map(host => ({
      name: host.alias,
      where: place(host.username, host.hostname, host.port)
    }))
  ];
}

/** Those that contain what was typed; the ones that begin with it first. */
export function matching(suggestions: readonly ISuggestion[], typed: string): ISuggestion[] {
  const text = typed.trim().toLowerCase();
  const rank = (item: ISuggestion): number => {
    const name = item.name.toLowerCase();
    return name.startsWith(text) ? 0 : name.includes(text) ? 1 : 2;
  };
  return suggestions
    .filter(
      item => item.name.toLowerCase().includes(text) || item.where.toLowerCase().includes(text)
    )
    .sort((a, b) => rank(a) - rank(b));
}
