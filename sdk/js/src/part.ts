import type { Query, Transport } from "./transport.js";
import type * as api from "./types.js";

/** What all parts of the client share. */
export class Part {
  protected readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  protected get<T>(path: string, query?: Query): Promise<T> {
    return this.transport.send<T>({ method: "GET", path, query });
  }

  /** Reads what is no JSON. */
  protected file(path: string, query?: Query): Promise<Uint8Array> {
    return this.transport.send({ method: "GET", path, query, raw: true });
  }

  /** Goes through all pages of a list. */
  protected async *pages<T>(path: string, query: Query): AsyncGenerator<T, void, undefined> {
    let cursor = query.cursor;
    for (;;) {
      const page = await this.get<api.Page<T>>(path, { ...query, cursor });
      yield* page.data ?? [];
      if (!page.has_more || page.next_cursor === undefined) return;
      cursor = page.next_cursor;
    }
  }
}
