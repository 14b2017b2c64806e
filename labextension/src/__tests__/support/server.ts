/** An HTTP server for the tests of the client: it answers what a test says and keeps what was asked. */

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const ASKED = 'asked';

/** What was asked. */
export interface IAsked {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: IncomingHttpHeaders;
  body: unknown;
}

/** What to answer: a status and a JSON body, or a text as it is. */
export type Answer = [status: number, body: object | string];

/** A server with a script. */
export class ScriptedServer {
  /** What was asked, in order. */
  readonly asked: IAsked[] = [];
  /** Answers by `METHOD route`, used up one by one; the last one stays. */
  readonly answers = new Map<string, Answer[]>();
  /** The URL, with a base path. */
  url = '';

  /** Start listening on loopback. */
  async start(): Promise<this> {
    await new Promise<void>(resolve => this._server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this._server.address() as AddressInfo).port}/user/mia`;
    return this;
  }

  /** Stop listening. */
  async stop(): Promise<void> {
    this._server.closeAllConnections();
    await new Promise(resolve => this._server.close(resolve));
  }

  /** Set the answers of a route. */
  answer(route: string, ...answers: Answer[]): void {
    this.answers.set(route, answers);
  }

  /** Wait until a route has been asked, which is half a minute at most. */
  async until(route: string): Promise<void> {
    const signal = AbortSignal.timeout(30_000);
    while (!this.asked.some(({ method, path }) => `${method} ${path}` === route)) {
      await once(this._server, ASKED, { signal });
    }
  }

  private readonly _server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', chunk => chunks.push(chunk));
    request.on('end', () => {
      const url = new URL(request.url ?? '', 'http://localhost');
      const text = Buffer.concat(chunks).toString();
      const method = request.method ?? '';
      const path = url.pathname.replace('/user/mia/api/remote/', '');
      this.asked.push({
        method,
        path,
        query: Object.fromEntries(url.searchParams),
        headers: request.headers,
        body: text ? JSON.parse(text) : null
      });
      this._server.emit(ASKED);
      const answers = this.answers.get(`${method} ${path}`) ?? [];
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (!answer) {
        response.destroy();
        return;
      }
      const [status, body] = answer;
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
}

/** A failure as the API has it. */
export function failure(
  status: number,
  error: string,
  details: Record<string, unknown> = {}
): Answer {
  return [status, { success: false, error, message: `It was ${error}.`, details }];
}
