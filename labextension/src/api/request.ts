/** A request of the client, before it is one of HTTP. */
export interface IRequest {
  method?: 'GET' | 'POST' | 'DELETE';
  query?: Record<string, string | number | boolean | null | undefined>;
  body?: unknown;
  requestId?: string;
  signal?: AbortSignal;
}
