/** What the client hands to its own calls and gets from them. */

/** A successful answer's body. */
export type Answer<T> = T & { success: true };

/** A request, before it is one of HTTP. */
export interface IRequest {
  method?: 'GET' | 'POST' | 'DELETE';
  query?: Record<string, string | number | boolean | null | undefined>;
  body?: unknown;
  requestId?: string;
  signal?: AbortSignal;
}
